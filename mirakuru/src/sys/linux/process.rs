//! Small calls that only Linux has, most of which a process makes on itself.
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

/// The flags of a send: a closed peer is an error, and never `SIGPIPE`.
pub(in crate::sys) const SEND_FLAGS: MsgFlags = MsgFlags::MSG_NOSIGNAL;
/// The flags of a receive: received descriptors are close-on-exec from the first moment.
pub(in crate::sys) const RECEIVE_FLAGS: MsgFlags = MsgFlags::MSG_CMSG_CLOEXEC;
/// The flags to reap children of every kind, including those that were cloned without `SIGCHLD`.
pub(crate) const WAIT_FLAGS: i32 = libc::__WALL | libc::WNOHANG;

/// Counts the threads of this process, if the system shows them.
pub(crate) fn threads() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Returns the numbers of this process's namespaces, or 0 if there are none. In another pid namespace, such as a
/// container's, a pid names another process (`pid_namespaces(7)`). In another time namespace, a process has another
/// start time (`time_namespaces(7)`).
pub(crate) fn namespaces() -> [u64; 2] {
    let number = |namespace: fs::Metadata| namespace.ino();
    ["pid", "time"].map(|kind| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, number))
}

/// The reason that an error shows if a process cannot be inspected.
pub(crate) const UNSEEN: &str = "cannot be looked at in /proc";

/// Returns a path to the running program's file, which works even if the file was replaced or deleted since.
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

/// Returns a Unix socket that never waits.
pub(in crate::sys) fn unix_socket_that_never_waits() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Makes a pipe whose ends are both close-on-exec from the first moment. Returns its reading end, then its writing end.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
}

/// Returns a record lock that belongs to an open file, and not to a process.
pub(in crate::sys) fn lock_of_open_file(lock: &libc::flock) -> FcntlArg<'_> {
    FcntlArg::F_OFD_SETLK(lock)
}

/// Returns the ports that the kernel uses for outgoing connections (see `ip(7)`), or the kernel's default range if that
/// cannot be read.
pub(crate) fn ephemeral_ports() -> std::ops::RangeInclusive<u16> {
    let reported = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range_in(&reported).unwrap_or(32_768..=60_999)
}

fn range_in(reported: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let mut bounds = reported.split_ascii_whitespace().map(str::parse);
    let mut next = || bounds.next()?.ok();
    Some(next()?..=next()?)
}

/// Returns the highest signal number.
pub(crate) fn last_signal() -> i32 {
    libc::SIGRTMAX()
}

/// Waits for descriptors; `Duration::MAX` means for ever.
pub(in crate::sys) fn poll_for(fds: &mut [PollFd<'_>], wait: Duration) -> nix::Result<i32> {
    let wait = (wait != Duration::MAX).then(|| TimeSpec::from_duration(wait));
    nix::poll::ppoll(fds, wait, None)
}

/// Makes orphans of the tree children of this process.
pub(crate) fn become_subreaper() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Always `false`: orphans become children of the supervisor.
pub(in crate::sys) fn has_orphans(_group: Pid) -> bool {
    false
}

/// Always `false`: no process leaves the tree.
pub(in crate::sys) fn has_strays() -> bool {
    false
}

/// Makes the kernel kill this process when its parent's thread ends. A change of the user id clears this, so it must be
/// called after that. The caller then checks the parent once more.
pub(crate) fn die_with_parent() -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
}

/// Returns whether the kernel runs this program with more rights than its caller has (`getauxval(3)`), or would run
/// programs that this process starts in that mode.
pub(crate) fn runs_privileged() -> bool {
    // SAFETY: `getauxval` takes any number.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) };
    secure != 0 || crate::sys::posix::has_other_rights()
}

/// Returns the process that made the other end of this socket pair.
pub(crate) fn peer(socket: &impl std::os::fd::AsFd) -> Option<Pid> {
    getsockopt(socket, PeerCredentials)
        .ok()
        .map(|peer| Pid::from_raw(peer.pid()))
}

/// Closes all descriptors except the standard ones.
pub(crate) fn close_inherited() {
    // SAFETY: called by a supervisor at its very start, which holds none of these.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

/// Sets the process name that `ps` and `pkill` show.
pub(crate) fn set_process_name() {
    let _ = nix::sys::prctl::set_name(c"mirakuru");
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// The path as a C text, so that opening it allocates nothing.
const OOM_SCORE_OF_A_CHILD: &CStr = c"/proc/self/oom_score_adj";

/// Makes this process a late victim when memory runs out, if it may. Returns the former score.
pub(crate) fn lower_oom_score() -> Option<String> {
    let before = fs::read_to_string(OOM_SCORE).ok()?;
    fs::write(OOM_SCORE, "-900").ok().map(|()| before)
}

/// Sets the score that [`lower_oom_score`] returned, for a service, which must not be a late victim.
pub(crate) fn restore_oom_score(before: &str) {
    if let Ok(file) = open(OOM_SCORE_OF_A_CHILD, OFlag::O_WRONLY, Mode::empty()) {
        let _ = write(&file, before.as_bytes());
    }
}

/// Returns all groups of a user.
pub(crate) fn groups_of(user: &std::ffi::CStr, gid: Gid) -> Vec<u32> {
    let groups = nix::unistd::getgrouplist(user, gid).unwrap_or_else(|_| vec![gid]);
    groups.into_iter().map(Gid::as_raw).collect()
}

/// Sets the groups of this process to another user's.
pub(crate) fn set_groups(groups: &[Gid]) -> nix::Result<()> {
    nix::unistd::setgroups(groups)
}

/// Gives a range of a file back to the disk; the range then reads as zeros.
///
/// # Errors
///
/// Returns `EFBIG`, as if the file were too large, if the file system cannot do that.
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
    use std::fs;
    use std::sync::Barrier;

    use super::{OOM_SCORE, range_in, restore_oom_score, threads};
    use crate::sys::{try_lock_for_process, try_lock_to_remove};

    #[test]
    fn the_range_of_ports_for_connections_is_read_from_the_kernel() {
        assert_eq!(range_in("1024\t65535\n"), Some(1024..=65535));
        assert_eq!(range_in(""), None);
    }

    /// Simulates another thread that checks which process has the lock, for which it opens and closes the file.
    #[test]
    fn a_lock_to_remove_survives_a_close_by_another_thread() {
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

    #[test]
    fn every_thread_of_this_process_is_counted() {
        let counted = Barrier::new(2);
        let count = std::thread::scope(|scope| {
            scope.spawn(|| counted.wait());
            let count = threads();
            counted.wait();
            count
        });
        assert!(count > Some(1), "{count:?}");
    }

    /// Every process may raise its score, and lower it to the former one.
    #[test]
    fn a_score_for_the_lack_of_memory_is_set() {
        let score = || fs::read_to_string(OOM_SCORE).expect("procfs");
        let before = score();
        restore_oom_score("1000");
        let raised = score();
        restore_oom_score(&before);
        assert_eq!((raised.trim(), score()), ("1000", before));
    }
}
