//! Ready when a Unix socket accepts a connection.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{UnixAddr, connect};

use super::{Context, Manner, NotReady, Readiness, Target};
use crate::sys;

/// Ready when the socket at this path accepts a connection. A stale file that nobody listens on is
/// neither ready nor in the way.
#[derive(Clone, Debug)]
pub struct UnixSocket {
    path: PathBuf,
}

impl UnixSocket {
    /// Checks the socket at this path.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
        }
    }

    fn path(&self, cx: &Context) -> Result<PathBuf, String> {
        cx.fill_path(&self.path)
    }

    fn connect(&self, cx: &Context) -> Result<(), NotReady> {
        let path = self.path(cx).map_err(NotReady::new)?;
        Ok(connect_within(&path, cx)?)
    }
}

impl Readiness for UnixSocket {
    fn pre_start_check(&self, cx: &Context) -> bool {
        self.connect(cx).is_ok()
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        self.connect(cx)
    }

    fn describe(&self, cx: &Context) -> String {
        let path = self.path(cx).unwrap_or_else(|_| self.path.clone());
        format!("the socket {} to accept a connection", path.display())
    }

    fn validate(&self, cx: &Context) -> Result<(), String> {
        let path = self.path(cx)?;
        match path.as_os_str().len() {
            0 => Err("the socket's path is empty".to_owned()),
            len if len > sys::LONGEST_SOCKET_PATH => Err(format!(
                "the socket's path has {len} bytes, and the system takes {}: {}",
                sys::LONGEST_SOCKET_PATH,
                path.display()
            )),
            _ => Ok(()),
        }
    }

    fn target(&self) -> Target {
        Target {
            socket: Some(self.path.clone()),
            ..Target::default()
        }
    }

    fn manner(&self, cx: &Context) -> Manner {
        Manner {
            on_path: self.path(cx).ok(),
            ..Manner::punctual()
        }
    }
}

/// Connects without waiting: a full backlog answers `EAGAIN`, where a waiting socket would stay
/// until the service accepts, for ever if it does not.
fn connect_within(path: &Path, cx: &Context) -> io::Result<()> {
    let socket = sys::unix_socket_that_never_waits()?;
    let address = UnixAddr::new(path)?;
    match connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address) {
        // A full backlog: it listens and is busy, which is ready.
        Ok(()) | Err(nix::Error::EAGAIN) => Ok(()),
        Err(nix::Error::EINPROGRESS) => {
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
            sys::poll_for(&mut fds, Some(cx.patience()))?;
            UnixStream::from(socket).take_error()?.map_or(Ok(()), Err)
        }
        Err(errno) => Err(errno.into()),
    }
}
