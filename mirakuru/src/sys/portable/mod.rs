//! Unixes other than Linux: the same names with what every one of them has.
//!
//! Limits. Orphans go to init, so a stop proves that no child of the supervisor and no member of the main process's
//! group is left, and not that the tree is gone: a process that left the group, such as a daemon, is neither found nor
//! stopped, and the stop reports success. A supervisor learns of the end of the test process by the end of its socket,
//! or at latest within [`TICK`] by its parent's pid. A supervisor killed from outside leaves the service running. No
//! call tells which process holds a port, or has sent a message. Output beyond what is kept is lost.

mod directories;
mod notices;
mod spawn;
#[cfg(not(all(target_os = "macos", not(mirakuru_portable))))]
mod unseen;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollTimeout};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socket};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Gid, Pid};

pub(crate) use directories::hand_over;
pub(in crate::sys) use directories::{open_below, open_up};
pub(crate) use notices::Notices;
pub(crate) use spawn::spawn;
#[cfg(not(all(target_os = "macos", not(mirakuru_portable))))]
pub(crate) use unseen::*;

/// How often what cannot wake us is asked for.
const TICK: Duration = Duration::from_millis(5);

/// Nothing more than the default: both ends ignore `SIGPIPE`.
pub(in crate::sys) const SEND_FLAGS: MsgFlags = MsgFlags::empty();
/// Nothing: descriptors are marked close-on-exec when they are adopted.
pub(in crate::sys) const RECEIVE_FLAGS: MsgFlags = MsgFlags::empty();
/// Children that have ended, without waiting.
pub(crate) const WAIT_FLAGS: i32 = nix::libc::WNOHANG;

/// The running program's file, by the path that it was started from.
pub(crate) fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// A socket that never waits.
pub(in crate::sys) fn unix_socket_that_never_waits() -> nix::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    let socket = socket(family, kind, SockFlag::empty(), None)?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(socket)
}

/// No directory is known to lie in memory.
#[cfg(feature = "services")]
pub(crate) fn memory() -> Option<PathBuf> {
    None
}

/// The system lists no segments without a library.
pub(crate) fn remove_shared_memory(_makers: &[Pid], _age: Duration) -> bool {
    false
}

/// A pipe, both ends close-on-exec: its reading end, then its writing end.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe()?;
    for end in [&reader, &writer] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok((reader, writer))
}

/// A record lock. Only some systems have those of open files.
pub(in crate::sys) fn lock_of_open_file(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_SETLK(lock)
}

/// The system does not show the threads of a process without a library.
pub(crate) fn threads() -> Option<usize> {
    None
}

/// The ports that are given to outgoing connections: the range that IANA keeps for that (RFC 6335).
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    49_152..=u16::MAX
}

/// No system but Linux has them.
pub(crate) fn namespaces() -> [u64; 2] {
    [0; 2]
}

/// Not known: a line for the runner is printed by the test.
pub(crate) fn standard_error_of(_pid: Pid) -> Option<File> {
    None
}

/// The highest number of a signal that every Unix has.
pub(crate) fn last_signal() -> i32 {
    31
}

/// Waits for descriptors; rounded up to milliseconds, and what they cannot count is for ever.
pub(in crate::sys) fn poll_for(fds: &mut [PollFd<'_>], wait: Duration) -> nix::Result<i32> {
    let millis = wait.as_micros().div_ceil(1000);
    nix::poll::poll(
        fds,
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::NONE),
    )
}

/// Orphans go to init.
pub(crate) fn become_subreaper() {}

pub(crate) fn die_with_parent() -> nix::Result<()> {
    Ok(())
}

/// Whether the user differs from the one who called the program.
pub(crate) fn runs_privileged() -> bool {
    super::posix::has_other_rights()
}

/// std marks all of its own close-on-exec.
pub(crate) fn close_inherited() {}

/// The name stays that of the program.
pub(crate) fn set_process_name() {}

pub(crate) fn lower_oom_score() -> Option<String> {
    None
}

pub(crate) fn restore_oom_score(_before: &str) {}

/// The user's own group alone.
pub(crate) fn groups_of(_user: &std::ffi::CStr, gid: Gid) -> Vec<u32> {
    vec![gid.as_raw()]
}

/// The groups of the user database are taken on with the user's own group.
pub(crate) fn set_groups(_groups: &[Gid]) -> nix::Result<()> {
    Ok(())
}

/// Not looked for: what a service mounts in its directory is met there.
pub(crate) fn unmount_below(_directory: &Path) -> bool {
    true
}

/// The kernel cannot be asked: connect instead.
#[derive(Debug)]
pub(crate) enum Listeners {}

impl Listeners {
    pub(crate) fn open() -> Option<Self> {
        None
    }

    pub(crate) fn any_at(&self, _addr: SocketAddr) -> Option<bool> {
        match *self {}
    }
}

// What no call tells here is not known: the service alone is.

pub(crate) fn is_passing(_addr: SocketAddr) -> bool {
    false
}

pub(crate) fn whose_peer(_stream: &impl AsFd, _supervisor: Pid) -> super::Whose {
    super::Whose::Unknown
}

pub(crate) fn whose_listener(_addr: SocketAddr, _main: Pid, _supervisor: Pid) -> super::Whose {
    super::Whose::Unknown
}

/// Returns whether a group has members, of which none is a child of this process.
pub(in crate::sys) fn has_orphans(group: Pid) -> bool {
    nix::sys::signal::killpg(group, None) != Err(nix::Error::ESRCH)
}

pub(crate) fn listening(_supervisor: Pid) -> BTreeSet<SocketAddr> {
    BTreeSet::new()
}

pub(crate) fn waits_for_input(_supervisor: Pid) -> bool {
    false
}

pub(crate) fn holder_of_port(_port: u16) -> Option<String> {
    None
}

/// A process by its pid.
#[derive(Debug)]
pub(crate) struct Process(Pid);

impl Process {
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self(pid))
    }

    pub(crate) fn open_child(child: u32) -> io::Result<Self> {
        let child = super::process_of(child);
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
        Ok(super::signals::send_signal(self.0, signal)?)
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
