//! Reads and changes properties of processes: the parent, user, limits, environment and niceness.
#![expect(unsafe_code, reason = "system calls that nix leaves unsafe")]

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Uid, User, getegid, geteuid, getgid, getuid};

use crate::limits::Resource;
use crate::sys;

/// The number of a process. Code outside this folder compares it, shows it and passes it back, but never signals it:
/// only [`Tree`](sys::Tree) and [`Process`](sys::Process) may signal.
pub(crate) use nix::unistd::Pid;

/// Returns the process with this number, if a process can have it.
pub(crate) fn process_of(number: u32) -> Option<Pid> {
    number.try_into().ok().map(Pid::from_raw)
}

/// Returns the number of a process, for output and messages.
pub(crate) fn number_of(pid: Pid) -> u32 {
    pid.as_raw().unsigned_abs()
}

/// Does nothing: a supervisor polls the process itself.
pub(crate) fn wake_at_the_end_of(_owner: &sys::Process) {}

/// Ends the process without destructors, exit hooks or flushing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Returns whether this process's effective user or group differs from its real one. The kernel treats a program that
/// such a process runs as a set-user-id program (`AT_SECURE`, `getauxval(3)`).
pub(in crate::sys) fn has_other_rights() -> bool {
    getuid() != geteuid() || getgid() != getegid()
}

/// Returns the time of the one clock that all processes share and that cannot be set.
pub(crate) fn monotonic_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    now.map(Duration::from).unwrap_or_default()
}

/// Adds to this process's nice value.
pub(super) fn set_nice(by: i32) -> nix::Result<()> {
    Errno::clear();
    // SAFETY: `nice` takes any number. -1 is a valid result, so errno decides.
    let result = unsafe { libc::nice(by) };
    match Errno::last() {
        errno if result == -1 && errno != Errno::UnknownErrno => Err(errno),
        _ => Ok(()),
    }
}

/// Limits a resource of this process. nix's `setrlimit` is not used, as it lacks two of the resources on macOS.
pub(super) fn limit(resource: Resource, soft: u64, hard: u64) -> nix::Result<()> {
    let resource = match resource {
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
    let limit = libc::rlimit {
        rlim_cur: bound(soft),
        rlim_max: bound(hard),
    };
    // SAFETY: `setrlimit` reads the structure, which lives through the call.
    Errno::result(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// Returns the parent of this process, which changes when the parent ends.
pub(crate) fn parent() -> Pid {
    nix::unistd::getppid()
}

/// Returns whether a process is a descendant of this one, or `None` if it has ended.
pub(crate) fn is_below_this(process: Pid) -> Option<bool> {
    // Each check may fall between the end of a parent and the move of its children to this process.
    for _ in 0..10 {
        let (mut below, mut known) = (process, true);
        while below != Pid::this() {
            match sys::proc_stat(below) {
                Some(stat) if stat.parent.as_raw() > 1 => below = stat.parent,
                // The process is an orphan, which on some systems is not a child of this process.
                Some(_) => return Some(sys::descendants().iter().any(|one| one.pid == process)),
                None if below == process => return None,
                None => {
                    known = false;
                    break;
                }
            }
        }
        if known {
            return Some(true);
        }
    }
    Some(false)
}

/// Reaps one child that has ended. Returns its code; a signal's number is negative. Returns `None` if all children
/// live, and fails if there are none. nix's `waitpid` is not used, as it does not know deaths by realtime signals.
pub(super) fn reap_any_child() -> nix::Result<Option<(Pid, i32)>> {
    let mut status = 0;
    loop {
        // SAFETY: `waitpid` writes one int at the given address.
        let result = unsafe { libc::waitpid(-1, &raw mut status, sys::WAIT_FLAGS) };
        let pid = match Errno::result(result) {
            Ok(0) => return Ok(None),
            Err(nix::Error::EINTR) => continue,
            pid => Pid::from_raw(pid?),
        };
        if libc::WIFSIGNALED(status) {
            return Ok(Some((pid, -libc::WTERMSIG(status))));
        }
        return Ok(Some((pid, libc::WEXITSTATUS(status))));
    }
}

/// Returns the arguments of this process. Works before `main` too, where some C libraries pass none to constructors.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.is_empty() {
        let line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let line = line.split(|byte| *byte == 0);
        words = line
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect();
    }
    words.into_iter()
}

/// Sets an environment variable of this process. The caller must know that no other thread runs.
pub(crate) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: before `main`, the thread that runs constructors is the only one that reads or writes the environment.
    unsafe { std::env::set_var(name, value) };
}

/// Writes a text to standard error without buffering, as far as that is possible.
pub(crate) fn write_to_standard_error(text: &str) {
    let mut left = text.as_bytes();
    while let Ok(written @ 1..) = nix::unistd::write(io::stderr(), left) {
        left = left.get(written..).unwrap_or_default();
        if left.is_empty() {
            break;
        }
    }
}

/// Looks up the user with this name or number. Returns the numbers of the user, of the user's group, and of all the
/// user's groups.
pub(crate) fn user_of(name: &str) -> Option<(u32, u32, Vec<u32>)> {
    let found = match name.parse() {
        Ok(id) => User::from_uid(Uid::from_raw(id)),
        Err(_) => User::from_name(name),
    };
    let User { name, uid, gid, .. } = found.ok()??;
    let groups = sys::groups_of(&CString::new(name).ok()?, gid);
    Some((uid.as_raw(), gid.as_raw(), groups))
}
