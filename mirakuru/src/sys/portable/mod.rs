//! Implements the names of `sys` for Unixes other than Linux, with the calls that all of them have.
//!
//! Limits:
//! - Orphans go to init. A stop therefore proves only that no child of the supervisor and no member of the main
//!   process's group is left. A process that left the group, such as a daemon, is neither found nor stopped, and the
//!   stop reports success.
//! - A supervisor notices the end of the test process by the end of its socket, or within 5 ms by its parent's pid.
//! - A supervisor that is killed from outside leaves the service running.
//! - No call reports which process holds a port, or has sent a message.
//! - Output beyond the kept size is lost.
//!
//! macOS replaces `unseen/`, and uses the rest of this folder.

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

/// The flags of a send: none, as both ends ignore `SIGPIPE`.
pub(in crate::sys) const SEND_FLAGS: MsgFlags = MsgFlags::empty();
/// The flags of a receive: none, as descriptors are marked close-on-exec when they are adopted.
pub(in crate::sys) const RECEIVE_FLAGS: MsgFlags = MsgFlags::empty();
/// The flags to reap children that have ended, without waiting.
pub(crate) const WAIT_FLAGS: i32 = nix::libc::WNOHANG;

/// Returns the path of the running program's file: the path that it was started from.
pub(crate) fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Returns a Unix socket that never waits.
pub(in crate::sys) fn unix_socket_that_never_waits() -> nix::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    let socket = socket(family, kind, SockFlag::empty(), None)?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(socket)
}

/// Always `None`: no directory is known to be in memory.
#[cfg(feature = "services")]
pub(crate) fn memory() -> Option<PathBuf> {
    None
}

/// Always `false`: the system lists shared memory only through a library.
pub(crate) fn remove_shared_memory(_makers: &[(Pid, Duration)], _since: Duration) -> bool {
    false
}

/// Always 0, as no time is compared with it here.
pub(crate) fn wall_clock() -> Duration {
    Duration::ZERO
}

/// Makes a pipe whose ends are both close-on-exec. Returns its reading end, then its writing end.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe()?;
    for end in [&reader, &writer] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok((reader, writer))
}

/// Returns a record lock of the process. Only some systems have record locks of open files.
pub(in crate::sys) fn lock_of_open_file(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_SETLK(lock)
}

/// Always `None`: the system shows the threads of a process only through a library.
pub(crate) fn threads() -> Option<usize> {
    None
}

/// Returns the ports that are used for outgoing connections. No call of every Unix reports the range. These are the
/// ports that IANA reserves for that purpose (49152 and above, RFC 6335), and the ones below that Linux and illumos
/// add.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    32_768..=u16::MAX
}

/// Always 0: only Linux has namespaces.
pub(crate) fn namespaces() -> [u64; 2] {
    [0; 2]
}

/// Always `None`: it is not known. The test itself prints a line for the runner.
pub(crate) fn standard_error_of(_pid: Pid) -> Option<File> {
    None
}

/// Returns the highest signal number that every Unix has.
pub(crate) fn last_signal() -> i32 {
    31
}

/// Waits for descriptors. The time is rounded up to milliseconds; a time too long for the call means for ever.
pub(in crate::sys) fn poll_for(fds: &mut [PollFd<'_>], wait: Duration) -> nix::Result<i32> {
    let millis = wait.as_micros().div_ceil(1000);
    nix::poll::poll(
        fds,
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::NONE),
    )
}

/// Does nothing: orphans go to init.
pub(crate) fn become_subreaper() {}

pub(crate) fn die_with_parent() -> nix::Result<()> {
    Ok(())
}

/// Returns whether the user differs from the one who called the program.
pub(crate) fn runs_privileged() -> bool {
    super::posix::has_other_rights()
}

/// Does nothing: the process keeps the name of the program.
pub(crate) fn set_process_name() {}

pub(crate) fn lower_oom_score() -> Option<String> {
    None
}

pub(crate) fn restore_oom_score(_before: &str) {}

/// Returns only the user's own group.
pub(crate) fn groups_of(_user: &std::ffi::CStr, gid: Gid) -> Vec<u32> {
    vec![gid.as_raw()]
}

/// Does nothing: setting the user's own group also sets the groups of the user database.
pub(crate) fn set_groups(_groups: &[Gid]) -> nix::Result<()> {
    Ok(())
}

/// Always `true`: mounts are not looked for. The removal of the directory meets them.
pub(crate) fn unmount_below(_directory: &Path) -> bool {
    true
}

/// Returns whether a group has members, none of which is a child of this process.
pub(in crate::sys) fn has_orphans(group: Pid) -> bool {
    nix::sys::signal::killpg(group, None) != Err(nix::Error::ESRCH)
}

pub(crate) fn waits_for_input(_supervisor: Pid) -> bool {
    false
}
