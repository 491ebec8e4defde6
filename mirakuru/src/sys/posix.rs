//! What every Unix gives: fork, leaving at once, clean signals, descriptors out of messages.
#![expect(unsafe_code, reason = "system calls that nix leaves unsafe")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, getegid, geteuid, getgid, getuid};

use super::ChildState;
use crate::limits::Resource;

/// Takes a descriptor out of a message that was just received.
pub(crate) fn adopt_received_descriptor(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for us when the message was received, and the
    // message is looked at once.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    // Where the receiving call cannot do it, this is the first moment that can.
    let _ = nix::fcntl::fcntl(
        &fd,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    );
    fd
}

/// Forks a process that has one thread; `None` in the child.
pub(crate) fn fork_single_threaded() -> io::Result<Option<Pid>> {
    // SAFETY: the caller is a supervisor, which never starts a thread, so no lock can be held by
    // a thread that the child lacks, and the child may run any code.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Ends the process without destructors, exit hooks or flushing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Whether this process has another effective user or group than its real one. The kernel takes what such
/// a process runs for a set-user-id program (`AT_SECURE`, `getauxval(3)`).
pub(super) fn has_other_rights() -> bool {
    getuid() != geteuid() || getgid() != getegid()
}

/// Gives every signal its default disposition but `SIGPIPE`, which stays ignored, and unblocks
/// all. An ignored `SIGCHLD` would be inherited by every service, and lose their exit codes.
pub(crate) fn reset_signals() {
    for known in Signal::iterator() {
        let handler = if known == Signal::SIGPIPE {
            SigHandler::SigIgn
        } else {
            SigHandler::SigDfl
        };
        // SAFETY: neither disposition runs code of ours.
        let _ = unsafe { signal(known, handler) };
    }
    reset_realtime_signals();
    unblock_signals();
}

/// Unblocks every signal; a mask outlives `exec`.
pub(crate) fn unblock_signals() {
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

#[cfg(target_os = "linux")]
fn reset_realtime_signals() {
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // The C library keeps the ones before to itself, and `posix_spawn` leaves them ignored. An
    // all-zero `kernel_sigaction`, which is no longer than this, is the default.
    let (default, mask_len) = ([0_usize; 8], 8_usize);
    for number in 32..libc::SIGRTMIN() {
        let none = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel reads the struct, which outlives the call, and writes nothing.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                none,
                mask_len,
            )
        };
    }
}

#[cfg(not(target_os = "linux"))]
fn reset_realtime_signals() {}

/// Sends a signal by number to a process that the caller knows to be unreaped.
pub(crate) fn send_signal(pid: Pid, signal: i32) -> nix::Result<()> {
    // SAFETY: `kill` takes any numbers.
    let result = unsafe { libc::kill(pid.as_raw(), signal) };
    nix::errno::Errno::result(result).map(drop)
}

/// Sends a signal by number to a process group that the caller knows to have a member.
pub(crate) fn send_signal_to_group(group: Pid, signal: i32) -> nix::Result<()> {
    // 0 and 1 would mean our own group and every process there is.
    if group.as_raw() <= 1 {
        return Err(nix::Error::ESRCH);
    }
    send_signal(Pid::from_raw(-group.as_raw()), signal)
}

/// Reaps one child that has ended. Not nix's `waitpid`: that knows no death by a realtime signal.
pub(crate) fn reap_any_child() -> ChildState {
    let mut status = 0;
    loop {
        // SAFETY: `waitpid` writes one int where it is told to.
        let result = unsafe { libc::waitpid(-1, &raw mut status, super::WAIT_FLAGS) };
        match nix::errno::Errno::result(result) {
            Ok(0) => return ChildState::AllAlive,
            Ok(pid) if libc::WIFSIGNALED(status) => {
                return ChildState::Ended(Pid::from_raw(pid), -libc::WTERMSIG(status));
            }
            Ok(pid) => return ChildState::Ended(Pid::from_raw(pid), libc::WEXITSTATUS(status)),
            Err(nix::Error::EINTR) => {}
            Err(_) => return ChildState::NoneLeft,
        }
    }
}

/// The time of the one clock that all processes share and nobody sets.
pub(crate) fn monotonic_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    now.map(Duration::from).unwrap_or_default()
}

/// Adds to this process's nice value.
pub(crate) fn set_nice(by: i32) -> io::Result<()> {
    nix::errno::Errno::clear();
    // SAFETY: `nice` takes any number. -1 is a valid answer, so errno tells.
    let result = unsafe { libc::nice(by) };
    match nix::errno::Errno::last() {
        errno if result == -1 && errno != nix::errno::Errno::UnknownErrno => Err(errno.into()),
        _ => Ok(()),
    }
}

/// Bounds a resource of this process.
pub(crate) fn limit(resource: Resource, soft: u64, hard: u64) -> nix::Result<()> {
    let number = match resource {
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::Stack => libc::RLIMIT_STACK,
    };
    #[allow(
        clippy::useless_conversion,
        reason = "the type of a limit differs between systems"
    )]
    let bound = |limit: u64| limit.try_into().unwrap_or(libc::RLIM_INFINITY);
    let limits = libc::rlimit {
        rlim_cur: bound(soft),
        rlim_max: bound(hard),
    };
    // SAFETY: `setrlimit` reads the struct, which outlives the call.
    let result = unsafe { libc::setrlimit(number, &raw const limits) };
    nix::errno::Errno::result(result).map(drop)
}

/// Has the other end see the end of the socket, also where a forked child holds this end too.
pub(crate) fn hang_up(socket: &UnixStream) {
    let _ = socket.shutdown(std::net::Shutdown::Write);
}

/// Takes over descriptor 0, which is the socket of a supervisor.
pub(crate) fn adopt_standard_input() -> OwnedFd {
    // SAFETY: called once, by a supervisor, before anything else uses descriptor 0; it never
    // returns to a program that would.
    unsafe { OwnedFd::from_raw_fd(0) }
}
