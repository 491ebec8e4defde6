//! What a process does to itself, and small calls of Linux's own.
#![expect(unsafe_code, reason = "system calls that nix lacks")]

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, open};
use nix::libc;
use nix::poll::PollFd;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, getsockopt, socket, sockopt::PeerCredentials,
};
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Pid, pipe2, write};

/// A closed peer is an error, never `SIGPIPE`.
pub(in crate::sys) const SEND_FLAGS: MsgFlags = MsgFlags::MSG_NOSIGNAL;
/// Received descriptors are close-on-exec from the first moment.
pub(in crate::sys) const RECEIVE_FLAGS: MsgFlags = MsgFlags::MSG_CMSG_CLOEXEC;
/// Children of every kind, also those that were cloned without `SIGCHLD`.
pub(crate) const WAIT_FLAGS: i32 = libc::__WALL | libc::WNOHANG;

/// Counts the threads of this process, if the system shows them.
pub(crate) fn threads() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Returns the namespaces of this process. A number means another process in another namespace, as a container has it
/// (`pid_namespaces(7)`), and a process has another start time (`time_namespaces(7)`); 0 where there are none.
pub(crate) fn namespaces() -> [u64; 2] {
    let number = |namespace: fs::Metadata| namespace.ino();
    ["pid", "time"].map(|kind| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, number))
}

/// Why nothing is known of a process.
pub(crate) const UNSEEN: &str = "cannot be looked at in /proc";

/// The running program's file, even if it was replaced or deleted since.
pub(crate) fn own_program() -> io::Result<PathBuf> {
    let program = Path::new("/proc/self/exe");
    let linked = program.symlink_metadata();
    linked.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{}: {error}: is /proc mounted?", program.display()),
        )
    })?;
    Ok(program.into())
}

/// A socket that never waits.
pub(in crate::sys) fn unix_socket_that_never_waits() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// A pipe, both ends close-on-exec from the first moment: its reading end, then its writing end.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
}

/// A record lock that belongs to an open file, and not to a process.
pub(in crate::sys) fn lock_of_open_file(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_OFD_SETLK(lock)
}

/// The ports that the kernel gives to outgoing connections; see `ip(7)`. Its default where it does
/// not say.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    let reported = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = reported.split_ascii_whitespace().map(str::parse);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        _ => 32_768..=60_999,
    }
}

/// The highest number of a signal.
pub(crate) fn last_signal() -> i32 {
    libc::SIGRTMAX()
}

/// Waits for descriptors; `Duration::MAX` is for ever.
pub(in crate::sys) fn poll_for(fds: &mut [PollFd<'_>], wait: Duration) -> nix::Result<i32> {
    let wait = (wait != Duration::MAX).then(|| TimeSpec::from_duration(wait));
    nix::poll::ppoll(fds, wait, None)
}

/// Orphans of the tree become children of this process.
pub(crate) fn become_subreaper() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Never: orphans come to the supervisor, whose children they are then.
pub(in crate::sys) fn has_orphans(_group: Pid) -> bool {
    false
}

/// Never: nothing of the tree is out of it.
pub(in crate::sys) fn has_strays() -> bool {
    false
}

/// Has the kernel kill this process when its parent's thread ends. Lost whenever the user id
/// changes, so this comes after that; the caller checks the parent once more.
pub(crate) fn die_with_parent() -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
}

/// Whether the kernel runs this program with more rights than its caller has (`getauxval(3)`), or would
/// say so of what this process runs.
pub(crate) fn runs_privileged() -> bool {
    // SAFETY: `getauxval` takes any number.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) };
    secure != 0 || crate::sys::posix::has_other_rights()
}

/// The process that made the other end of this socket pair.
pub(crate) fn peer(socket: &impl std::os::fd::AsFd) -> Option<Pid> {
    getsockopt(socket, PeerCredentials)
        .ok()
        .map(|peer| Pid::from_raw(peer.pid()))
}

/// Closes all descriptors but the standard ones.
pub(crate) fn close_inherited() {
    // SAFETY: called by a supervisor at its very start, which holds none of these.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

/// The name that `ps` and `pkill` see.
pub(crate) fn set_process_name() {
    let _ = nix::sys::prctl::set_name(c"mirakuru");
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// The same as a C text, so that nothing is allocated.
const OOM_SCORE_OF_A_CHILD: &CStr = c"/proc/self/oom_score_adj";

/// Makes this process a late victim when memory runs out, where it may; gives what was set before.
pub(crate) fn lower_oom_score() -> Option<String> {
    let before = fs::read_to_string(OOM_SCORE).ok()?;
    fs::write(OOM_SCORE, "-900").ok().map(|()| before)
}

/// Sets what [`lower_oom_score`] gave, for a service, which is no late victim.
pub(crate) fn restore_oom_score(before: &str) {
    if let Ok(file) = open(OOM_SCORE_OF_A_CHILD, OFlag::O_WRONLY, Mode::empty()) {
        let _ = write(&file, before.as_bytes());
    }
}

/// All groups of a user.
pub(crate) fn groups_of(user: &std::ffi::CStr, gid: Gid) -> Vec<u32> {
    let groups = nix::unistd::getgrouplist(user, gid).unwrap_or_else(|_| vec![gid]);
    groups.into_iter().map(Gid::as_raw).collect()
}

/// Takes on another user's groups.
pub(crate) fn set_groups(groups: &[Gid]) -> nix::Result<()> {
    nix::unistd::setgroups(groups)
}

/// Gives a range of a file back to the disk; it reads as zeros.
///
/// # Errors
///
/// The file system cannot: to the caller the file is too large.
pub(crate) fn forget_range(file: &File, range: Range<u64>) -> io::Result<()> {
    let too_large = || io::Error::from(Errno::EFBIG);
    let length = range.end.saturating_sub(range.start);
    let (Ok(offset), Ok(length)) = (range.start.try_into(), length.try_into()) else {
        return Err(too_large());
    };
    let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(file, mode, offset, length).map_err(|_| too_large())
}

#[cfg(test)]
mod tests {
    use crate::sys::{try_lock_for_process, try_lock_to_remove};

    /// Another thread looks who has the lock, for which it opens the file and closes it.
    #[test]
    fn a_lock_to_remove_lasts_when_the_file_is_closed_elsewhere() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let open = || file.reopen().expect("own file");
        let remover = open();
        assert!(try_lock_to_remove(&remover).expect("own file"));
        drop(open());
        let other = open();
        assert!(!try_lock_to_remove(&other).expect("own file"));
        assert!(!try_lock_for_process(&other).expect("own file"));
        drop(remover);
        assert!(try_lock_for_process(&other).expect("own file"));
    }
}
