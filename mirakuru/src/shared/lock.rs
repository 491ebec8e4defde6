//! Locks on files that test processes share (`flock(2)`): released when their holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::libc;

use crate::port::next_try;
use crate::wait::{self, Deadline};

/// The lock on one file, given back when this is dropped by the process that took it. A forked child
/// has a copy of the open file, and with it of the lock: it only closes that.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// Until the drop.
    file: Option<Flock<File>>,
    process: u32,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if self.process == std::process::id() {
            drop(file);
        } else {
            let copy = file.as_raw_fd();
            std::mem::forget(file);
            let _ = nix::unistd::close(copy);
        }
    }
}

impl FileLock {
    /// Waits for the lock until the deadline.
    pub(crate) fn take(path: &Path, deadline: Deadline) -> io::Result<Self> {
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if deadline.has_passed() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait::pause(next_try(deadline.elapsed()));
        }
    }

    /// The lock, unless somebody has it.
    pub(crate) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Self {
                file: Some(file),
                process: std::process::id(),
            })),
            Err((_, nix::Error::EAGAIN | nix::Error::EINTR)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}
