//! Unixes other than Linux: the same names with what every one of them has.
//!
//! Limits. Orphans go to init, so a stop proves that no child of the supervisor and no member of the main process's
//! group is left, and not that the tree is gone: a process that left the group, such as a daemon, is neither found nor
//! stopped, and the stop reports success. A supervisor learns of the end of the test process by the end of its socket,
//! or at latest within 5 ms by its parent's pid. A supervisor killed from outside leaves the service running. No
//! call tells which process holds a port, or has sent a message. Output beyond what is kept is lost.
//!
//! macOS replaces `unseen/`, and takes the rest from here.

mod directories;
mod notices;
mod spawn;
#[cfg(not(all(target_os = "macos", not(mirakuru_portable))))]
mod unseen;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollTimeout};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socket};
use nix::unistd::{Gid, Pid};

pub(crate) use directories::hand_over;
pub(in crate::sys) use directories::{open_below, open_up};
pub(crate) use notices::Notices;
pub(crate) use spawn::spawn;
#[cfg(not(all(target_os = "macos", not(mirakuru_portable))))]
pub(crate) use unseen::*;

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
pub(crate) fn remove_shared_memory(_makers: &[(Pid, Duration)], _since: Duration) -> bool {
    false
}

/// Nothing is compared with it.
pub(crate) fn wall_clock() -> Duration {
    Duration::ZERO
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

/// Returns the ports that are given to outgoing connections. No call of every Unix reports the range, so these are the
/// ones that IANA keeps for that (49152 and above, RFC 6335) and the ones below that Linux and illumos add.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    32_768..=u16::MAX
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

/// Returns whether a group has members, of which none is a child of this process.
pub(in crate::sys) fn has_orphans(group: Pid) -> bool {
    nix::sys::signal::killpg(group, None) != Err(nix::Error::ESRCH)
}

pub(crate) fn waits_for_input(_supervisor: Pid) -> bool {
    false
}
