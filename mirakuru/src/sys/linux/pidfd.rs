//! Process descriptors, each of which names one process for ever. They need Linux 5.3.
#![expect(unsafe_code, reason = "nix has no pidfd calls")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::sys::process_of;
use crate::wait::Deadline;

/// A process, named for ever.
#[derive(Debug)]
pub(crate) struct Process(OwnedFd);

impl Process {
    /// Opens the process that has this pid now. The caller must check afterwards that it is the intended process.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: `pidfd_open(2)` takes any number.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let raw = Errno::result(raw)?;
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        // SAFETY: the kernel just made this descriptor, close-on-exec, for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Opens a child of this process. Fails if another thread has reaped the child: its pid may belong to another
    /// process then.
    pub(crate) fn open_child(child: u32) -> io::Result<Self> {
        let open = || -> io::Result<Self> {
            let process = Self::open(process_of(child).ok_or(Errno::ESRCH)?)?;
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            waitid(Id::PIDFd(process.0.as_fd()), flags)?;
            Ok(process)
        };
        open().map_err(explained)
    }

    /// Returns a descriptor that becomes readable when the process has ended.
    pub(crate) fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    /// Returns whether the process ended, and waits for that at most this long. A signal that the test handles ends
    /// such a wait whatever its handler's flags are (`signal(7)`). Therefore `EINTR` means neither that the process
    /// ended nor that the time is over.
    pub(crate) fn ended_within(&self, wait: Duration) -> bool {
        let deadline = Deadline::after(wait);
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match super::process::poll_for(&mut fds, deadline.remaining()) {
                Err(Errno::EINTR) => {}
                polled => return polled.is_ok_and(|ready| ready > 0),
            }
        }
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    pub(in crate::sys) fn signal(&self, signal: i32) -> io::Result<()> {
        let (fd, no_info) = (self.0.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: a null `siginfo_t` is allowed by `pidfd_send_signal(2)`.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) };
        Ok(Errno::result(result).map(drop)?)
    }

    /// Takes the exit status of a child that has ended, so that no zombie is left. Returns `true` if the child exited
    /// with 0. Another `waitpid(-1)` may have taken the status first; then it is not known, and the result is `false`.
    pub(crate) fn reap(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        matches!(
            waitid(Id::PIDFd(self.0.as_fd()), flags),
            Ok(WaitStatus::Exited(_, 0))
        )
    }
}

fn explained(error: io::Error) -> io::Error {
    let errno = error.raw_os_error().map(Errno::from_raw);
    if matches!(errno, Some(Errno::ENOSYS | Errno::EPERM)) {
        return io::Error::other(format!(
            "`pidfd_open` is refused here ({error}): Linux 5.9 or later is needed, and a sandbox that allows it"
        ));
    }
    error
}
