//! Locks on files that test processes share (`flock(2)`): released when their holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::libc;

use crate::port::next_try;
use crate::wait::{self, Deadline};

/// The lock on one file, given back when this is dropped; also where a forked child has a copy.
#[derive(Debug)]
pub(crate) struct FileLock {
    #[expect(dead_code, reason = "held only")]
    file: Flock<File>,
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
            Ok(file) => Ok(Some(Self { file })),
            Err((_, nix::Error::EAGAIN | nix::Error::EINTR)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}
