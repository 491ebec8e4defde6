//! Asks and changes what a process is: its parent, user, limits, environment and niceness.
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

/// The number of a process. Outside this folder it is compared, shown and handed back, never signalled:
/// the right to signal is [`Tree`](sys::Tree)'s and [`Process`](sys::Process)'s.
pub(crate) use nix::unistd::Pid;

/// Returns the process with this number, where a process can have it.
pub(crate) fn process_of(number: u32) -> Option<Pid> {
    number.try_into().ok().map(Pid::from_raw)
}

/// Returns the number of a process, for people and messages.
pub(crate) fn number_of(pid: Pid) -> u32 {
    pid.as_raw().unsigned_abs()
}

/// Ends the process without destructors, exit hooks or flushing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Whether this process has another effective user or group than its real one. The kernel takes what such
/// a process runs for a set-user-id program (`AT_SECURE`, `getauxval(3)`).
pub(in crate::sys) fn has_other_rights() -> bool {
    getuid() != geteuid() || getgid() != getegid()
}

/// The time of the one clock that all processes share and nobody sets.
pub(crate) fn monotonic_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    now.map(Duration::from).unwrap_or_default()
}

/// Adds to this process's nice value.
pub(super) fn set_nice(by: i32) -> nix::Result<()> {
    Errno::clear();
    // SAFETY: `nice` takes any number. -1 is a valid answer, so errno tells.
    let result = unsafe { libc::nice(by) };
    match Errno::last() {
        errno if result == -1 && errno != Errno::UnknownErrno => Err(errno),
        _ => Ok(()),
    }
}

/// Bounds a resource of this process. Not nix's `setrlimit`: that lacks two of them on macOS.
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

/// Returns the parent of this process. It changes when the parent ends.
pub(crate) fn parent() -> Pid {
    nix::unistd::getppid()
}

/// Returns whether a process is below this one; `None` if it has ended.
pub(crate) fn is_below_this(process: Pid) -> Option<bool> {
    // Each look may come between the end of a parent and its children's move to this process.
    for _ in 0..10 {
        let (mut below, mut known) = (process, true);
        while below != Pid::this() {
            match sys::proc_stat(below) {
                Some(stat) if stat.parent.as_raw() > 1 => below = stat.parent,
                // An orphan, which on some systems is no child of this process.
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

/// Reaps one child that has ended: gives its code, negative for a signal's number. `None` if all live; fails
/// if none is left. Not nix's `waitpid`: that knows no death by a realtime signal.
pub(super) fn reap_any_child() -> nix::Result<Option<(Pid, i32)>> {
    let mut status = 0;
    loop {
        // SAFETY: `waitpid` writes one int where it is told to.
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

/// Returns the arguments of this process, also before `main`: some C libraries pass none to constructors.
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

/// Sets an environment variable of this process. The caller knows that no other thread runs.
pub(crate) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: before `main`, the thread that runs constructors is the only one that reads or writes the environment.
    unsafe { std::env::set_var(name, value) };
}

/// Writes a text at once, as far as that can be.
pub(crate) fn write_to_standard_error(text: &str) {
    let mut left = text.as_bytes();
    while let Ok(written @ 1..) = nix::unistd::write(io::stderr(), left) {
        left = left.get(written..).unwrap_or_default();
        if left.is_empty() {
            break;
        }
    }
}

/// Looks the user with this name or number up: their number, their group's, and those of all their groups.
pub(crate) fn user_of(name: &str) -> Option<(u32, u32, Vec<u32>)> {
    let found = match name.parse() {
        Ok(id) => User::from_uid(Uid::from_raw(id)),
        Err(_) => User::from_name(name),
    };
    let User { name, uid, gid, .. } = found.ok()??;
    let groups = sys::groups_of(&CString::new(name).ok()?, gid);
    Some((uid.as_raw(), gid.as_raw(), groups))
}
