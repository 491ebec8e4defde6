//! Processes and changes that wake nothing: they are looked at again after a tick.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::sys;

/// How often what cannot wake us is asked for.
const TICK: Duration = Duration::from_millis(5);

/// A process by its pid.
#[derive(Debug)]
pub(crate) struct Process(Pid);

impl Process {
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self(pid))
    }

    pub(crate) fn open_child(child: u32) -> io::Result<Self> {
        let child = sys::process_of(child);
        Ok(Self(child.ok_or(io::ErrorKind::NotFound)?))
    }

    pub(crate) fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// A child of ours is asked for its status, and so reaped; of another process, whether its
    /// pid still answers.
    pub(crate) fn ended_within(&self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        loop {
            let alive = match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) => status.pid().is_none(),
                Err(_) => nix::sys::signal::kill(self.0, None).is_ok(),
            };
            if !alive || Instant::now() >= deadline {
                return !alive;
            }
            crate::wait::pause(TICK);
        }
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    pub(in crate::sys) fn signal(&self, signal: i32) -> io::Result<()> {
        Ok(sys::signals::send_signal(self.0, signal)?)
    }

    /// `ended_within` took the status already; a supervisor that was killed leaves nothing that
    /// could be found here.
    pub(crate) fn reap(&self) -> bool {
        true
    }
}

/// Nothing wakes us: the supervisor looks again after a tick.
pub(crate) struct Wakeups;

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn wakeup(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        (None, TICK)
    }

    pub(crate) fn take(&mut self) -> bool {
        false
    }

    pub(crate) fn watch(&mut self, _path: &Path) -> bool {
        false
    }

    pub(crate) fn forget(&mut self) {}
}
