//! Represents one process, which its unique id identifies for ever.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::event::{EventFilter, FilterFlag};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::processes::{kin, proc_stat};
use super::queue::Queue;
use crate::sys::{Pid, poll_for, process_of, signals};
use crate::wait::{self, Deadline};

/// A process with its unique id, and a kqueue that reports its end as an event.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    unique: u64,
    end: Queue,
}

/// The time until a process is a zombie. It becomes one a moment after `NOTE_EXIT` (`proc_exit` in XNU's
/// `bsd/kern/kern_exit.c`).
const UNTIL_ZOMBIE: Duration = Duration::from_secs(1);

impl Process {
    /// Opens the process that has this pid now. The caller checks afterwards that it is the intended one.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        let unique = kin(pid).ok_or(Errno::ESRCH)?.own;
        let end = Queue::new()?;
        let id = usize::try_from(pid.as_raw()).map_err(io::Error::other)?;
        let is_awaited = match end.add(id, EventFilter::EVFILT_PROC, FilterFlag::NOTE_EXIT) {
            Err(Errno::ESRCH) => false,
            added => added.map(|()| kin(pid).map(|now| now.own) == Some(unique))?,
        };
        if !is_awaited {
            // The process is a zombie, or was reaped. A triggered event replaces the event of its end.
            end.add(0, EventFilter::EVFILT_USER, FilterFlag::empty())?;
            end.add(0, EventFilter::EVFILT_USER, FilterFlag::NOTE_TRIGGER)?;
        }
        Ok(Self { pid, unique, end })
    }

    /// Opens a child of this process. Fails if another thread has reaped the child.
    pub(crate) fn open_child(child: u32) -> io::Result<Self> {
        let process = Self::open(process_of(child).ok_or(Errno::ESRCH)?)?;
        let parent = proc_stat(process.pid).map(|stat| stat.parent);
        if parent != Some(Pid::this()) {
            return Err(Errno::ECHILD.into());
        }
        Ok(process)
    }

    /// Returns the descriptor that becomes readable when the process has ended.
    pub(crate) fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        self.end.wakeup()
    }

    /// Waits for the end of the process for this long, and returns whether it ended.
    pub(crate) fn ended_within(&self, wait: Duration) -> bool {
        let deadline = Deadline::after(wait);
        loop {
            let end = self
                .end
                .wakeup()
                .map(|end| PollFd::new(end, PollFlags::POLLIN));
            match poll_for(&mut Vec::from_iter(end), deadline.remaining()) {
                Err(Errno::EINTR) => {}
                polled => return polled.is_ok_and(|ready| ready > 0),
            }
        }
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    /// Sends a signal to the process, unless its pid belongs to another process now.
    pub(in crate::sys) fn signal(&self, signal: i32) -> io::Result<()> {
        if kin(self.pid).map(|now| now.own) != Some(self.unique) {
            return Err(Errno::ESRCH.into());
        }
        Ok(signals::send_signal(self.pid, signal)?)
    }

    /// Takes the exit status of a child that has ended, so that it does not remain a zombie.
    ///
    /// Returns `true` if the child ended with code 0. If another thread has taken the status, it is not known and the
    /// result is `false`.
    pub(crate) fn reap(&self) -> bool {
        let deadline = Deadline::after(UNTIL_ZOMBIE);
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::EINTR) => {}
                Ok(WaitStatus::StillAlive)
                    if self.ended_within(Duration::ZERO) && !deadline.has_passed() =>
                {
                    wait::pause(Duration::from_micros(200));
                }
                status => return matches!(status, Ok(WaitStatus::Exited(_, 0))),
            }
        }
    }
}
