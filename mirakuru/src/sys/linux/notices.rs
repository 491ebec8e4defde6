//! Receives the messages of `sd_notify(3)`, each with its sender as the kernel reports it.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::cmsg_space;
use nix::libc::ucred;
use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::unistd::{Pid, close};

use crate::sys::posix::{bind_for_everyone, received_in_part};

/// The length of the longest message, as in the service manager of systemd.
const LONGEST: usize = 4096;

/// The socket that services send their messages to.
#[derive(Debug)]
pub(crate) struct Notices(UnixDatagram);

/// A message, and the process and user that sent it, if the system reports them.
pub(crate) type Notice = (Vec<u8>, Option<(Pid, u32)>);

impl Notices {
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let socket = bind_for_everyone(path)?;
        setsockopt(&socket, PassCred, &true)?;
        Ok(Self(socket))
    }

    pub(crate) fn wakeup(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Receives a message that has arrived. Closes the descriptors that came with it, as a sender may wait until they
    /// are closed.
    pub(crate) fn receive(&self) -> Option<Notice> {
        let mut buffer = [0; LONGEST];
        let mut space = cmsg_space!(ucred, [RawFd; super::super::posix::MOST_RECEIVED]);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut space), flags).ok()?;
        let (len, mut sender) = (message.bytes, None);
        let Ok(controls) = message.cmsgs() else {
            drop(received_in_part(&space));
            return None;
        };
        for control in controls {
            match control {
                ControlMessageOwned::ScmRights(received) => {
                    for fd in received {
                        let _ = close(fd);
                    }
                }
                ControlMessageOwned::ScmCredentials(peer) => {
                    sender = Some((Pid::from_raw(peer.pid()), peer.uid()));
                }
                _ => {}
            }
        }
        Some((buffer[..len].to_vec(), sender))
    }
}
