//! Polls processes and changes that cause no wake-up, once per tick.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::sys;

/// The polling interval.
const TICK: Duration = Duration::from_millis(5);

/// A process, named by its pid.
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

    /// Returns whether the process ended within this time. The check of our own child takes its status, which reaps it.
    /// Another process is checked by a signal to its pid.
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

    /// Always `true`: `ended_within` has already taken the status. If a supervisor was killed, the processes that it
    /// left cannot be found here.
    pub(crate) fn reap(&self) -> bool {
        true
    }
}

/// The wake-ups of a supervisor: none, so it looks again after each tick.
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
