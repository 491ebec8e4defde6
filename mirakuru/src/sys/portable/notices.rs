//! Receives the messages of `sd_notify(3)`. The system does not report their senders.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::unistd::Pid;

use crate::sys::posix::bind_for_everyone;

#[derive(Debug)]
pub(crate) struct Notices(UnixDatagram);

pub(crate) type Notice = (Vec<u8>, Option<(Pid, u32)>);

impl Notices {
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let socket = bind_for_everyone(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    pub(crate) fn wakeup(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn receive(&self) -> Option<Notice> {
        let mut buffer = [0; 4096];
        let len = self.0.recv(&mut buffer).ok()?;
        Some((buffer[..len].to_vec(), None))
    }
}
