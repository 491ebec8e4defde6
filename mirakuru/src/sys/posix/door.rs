//! The door of a supervisor that a run shares: a listening socket that other processes find by its path.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sockets::{Socket, connect_within, is_short_enough};

/// The listening socket for the clients of a shared supervisor.
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens a door at this path, which must not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let listener = with_short_path(path, |path| UnixListener::bind(path))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts the first waiting connection, without waiting.
    pub(crate) fn accept(&self) -> io::Result<Socket> {
        self.listener.accept().map(|(socket, _)| socket)
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Connects to the door at this path. Returns `None` if its backlog is full.
pub(crate) fn come_to(door: &Path, wait: Duration) -> io::Result<Option<Socket>> {
    let socket = with_short_path(door, |path| connect_within(path, wait))?;
    Ok(socket.peer_addr().is_ok().then_some(socket))
}

/// Calls `act` with a path to this socket that is short enough. A path that is too long is replaced by one through its
/// open directory.
fn with_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return act(path);
    };
    if is_short_enough(path) {
        return act(path);
    }
    let directory = File::open(parent)?;
    let opened = format!("/proc/self/fd/{}", directory.as_raw_fd());
    act(&Path::new(&opened).join(name))
}
