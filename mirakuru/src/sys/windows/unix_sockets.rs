//! What rests on Unix sockets, which the library does not use here: no public name leads to it.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::process::Pid;
use super::sockets::{Socket, Wakeup};

/// Returns true: a path is for a pid file or the like.
pub(crate) fn is_short_enough(_path: &Path) -> bool {
    true
}

/// Fails.
pub(crate) fn connect_within(_path: &Path, _wait: Duration) -> io::Result<Socket> {
    Err(ErrorKind::Unsupported.into())
}

/// The messages of `sd_notify(3)`, which no service sends here.
#[derive(Debug)]
pub(crate) enum Notices {}

pub(crate) type Notice = (Vec<u8>, Option<(Pid, u32)>);

impl Notices {
    /// Fails.
    pub(crate) fn bind(_path: &Path) -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
    }

    pub(crate) fn wakeup(&self) -> Wakeup<'_> {
        match *self {}
    }

    pub(crate) fn receive(&self) -> Option<Notice> {
        match *self {}
    }
}
