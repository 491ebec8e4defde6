//! The one platform seam: every file here gives the same names, so that no caller holds a `cfg`.
//!
//! | name | Linux | macOS | other Unixes | Windows |
//! |---|---|---|---|---|
//! | [`Process`] | a pidfd: names one process for ever | its pid and its unique id, and a kqueue with `NOTE_EXIT` | its pid, asked by signal 0 | a handle: the number is no other process's as long as it is open |
//! | [`spawn`] | `clone(CLONE_VM \| CLONE_VFORK)`: no page table is copied | → | a fork, and a pipe for the step that failed | suspended, taken into the job, then resumed (`windows/spawn.rs`) |
//! | [`become_subreaper`] | orphans of the tree come to the supervisor | → | nothing: they go to init | – |
//! | [`has_orphans`] | no: they are children of the supervisor | → | whether the group of the main process that ended has members | – |
//! | [`has_strays`] | no: nothing is out of the tree | whether a process lives whose line of unique ids leads to the supervisor | no: none is found | –: no process leaves the job |
//! | [`die_with_parent`] | `PR_SET_PDEATHSIG` | → | nothing | the job ends with its last handle, which the supervisor has |
//! | [`children`], [`descendants`] | `/proc/PID/task/*/children`, or `/proc/*/stat` | `proc_listpids`, and unique ids (`PROC_PIDUNIQIDENTIFIERINFO`) | nothing | the list of the job (`windows/job.rs`) |
//! | [`is_still`] | a look at the parent | a look at the unique ids | nothing | – |
//! | [`Wakeups`] | a signalfd for `SIGCHLD`, and dnotify for paths | a kqueue: `SIGCHLD`, forks and ends in the tree, and paths | a short poll interval | a socket that rings: the messages of the job and the ends of reads (`windows/bell.rs`) |
//! | [`marked`] | `/proc/*/environ` | `KERN_PROCARGS2`, but for programs that the system protects | nothing | nothing: the job leaves none |
//! | [`proc_stat`], [`started_at`], [`program_name`], [`command_line`], [`carries`] | `/proc/PID/stat`, `cmdline`, `environ` | `proc_pidinfo`, `KERN_PROCARGS2` | the group alone | `GetProcessTimes`, `NtQueryInformationProcess`, the name of the program; no environment |
//! | [`has_ended`] | `/proc/PID/stat`, or signal 0 | `proc_pidinfo`, or signal 0 | signal 0 | a wait of no time for the handle |
//! | [`peer`] | `SO_PEERCRED` | `LOCAL_PEERPID` | the parent | the process that the socket was made for, or that knew the secret of the door |
//! | [`namespaces`], [`standard_error_of`], [`threads`] | `/proc/PID/ns`, `fd` and `task` | → | nothing | nothing |
//! | [`own_program`] | `/proc/self/exe`: the file itself | → | the path that it was started from | –: `current_exe` |
//! | [`waits_for_input`] | `/proc/*/syscall` | → | nothing | nothing |
//! | [`listening`] | `/proc/*/fd` and `/proc/net/tcp` | `PROC_PIDFDSOCKETINFO` | nothing | `GetExtendedTcpTable` |
//! | [`holder_of_port`], [`Listeners`], [`owner_of_listener`], [`owner_of_peer`], [`is_unclaimed`] | `NETLINK_SOCK_DIAG`, `SO_PEERCRED`, and `/proc/*/fd` | `PROC_PIDFDSOCKETINFO` of this user's processes, `LOCAL_PEERPID`, and unique ids | nothing | `GetExtendedTcpTable`, and the line of parents |
//! | [`unmount_below`] | `/proc/self/mountinfo`, and `umount2` | → | nothing | nothing |
//! | [`hand_over`], [`open_up`] | `O_PATH` descriptors | → | a look before the call | nothing: no other user has a part |
//! | [`open_below`] | `openat2`: crosses no mount | → | `openat` | – |
//! | [`remove_shared_memory`] | `/proc/sysvipc/shm` | → | nothing | nothing: it ends with the processes that have it open |
//! | [`memory`] | `/dev/shm`, if it has room | → | nothing | nothing |
//! | [`Notices`] | with the sender of each, by `SO_PASSCRED` | → | without | nothing |
//! | [`ephemeral_ports`] | `/proc/sys/net/ipv4/ip_local_port_range` | → | the range of RFC 6335 | → |
//! | [`groups_of`] | all groups of a user | → | the user's own one | – |
//! | [`lower_oom_score`], [`set_process_name`] | `/proc/self/oom_score_adj`, and `prctl` | → | nothing | nothing |
//! | [`try_lock_to_remove`] | a lock of the open file (`F_OFD_SETLK`) | → | one of the process, which ends when any of its threads closes the file | –: the file of a claim goes with its handle |
//! | [`forget_range`] | a hole punched into the file | a hole of whole blocks (`F_PUNCHHOLE`) | nothing | `FSCTL_SET_ZERO_DATA` in a sparse file |
//! | [`close_inherited`] | `close_range` | → | nothing: std marks all of its own | –: std passes on the three streams, and what others made inheritable |
//!
//! An arrow (→) stands where `macos/` takes what `portable/` has, and where `windows/` has the same. A dash (–) stands
//! where `posix/` alone uses the name: the tree and the start of a supervisor are others in `windows/`. `xnu/` reads what the kernel of macOS answers, and its unit
//! tests run on every Unix. `posix/` holds what all share, the process tree included. Every `unsafe` of the crate stands
//! below this folder, and `tests/layout.rs` keeps the words of operating systems in it: callers know sockets, handles and
//! processes by the names that are exported here.

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the contract: what cannot fail or needs no state on one platform does on another"
)]

#[cfg(unix)]
mod posix;

#[cfg(all(target_os = "linux", not(mirakuru_portable)))]
mod linux;
#[cfg(all(target_os = "macos", not(mirakuru_portable)))]
mod macos;
#[cfg(all(unix, any(not(target_os = "linux"), mirakuru_portable)))]
mod portable;
#[cfg(windows)]
mod windows;
#[cfg(any(all(unix, test), all(target_os = "macos", not(mirakuru_portable))))]
mod xnu;

#[cfg(all(target_os = "linux", not(mirakuru_portable)))]
pub(crate) use linux::*;
#[cfg(all(target_os = "macos", not(mirakuru_portable)))]
pub(crate) use macos::*;
#[cfg(all(
    unix,
    any(not(any(target_os = "linux", target_os = "macos")), mirakuru_portable)
))]
pub(crate) use portable::*;

#[cfg(unix)]
pub(crate) use posix::*;
#[cfg(windows)]
pub(crate) use windows::*;

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The step that a new process failed at.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Fits after "failed to".
    pub(crate) step: Cow<'static, str>,
    pub(crate) code: i32,
}

/// What came of making a claim.
#[derive(Debug)]
pub(crate) enum Claimed {
    Acquired(Claim),
    /// Another process has it: what is in its file.
    HeldBy(String),
    /// The former holder has removed the file between two looks.
    Removed,
    /// It has no holder: another process is removing the file, or still reads one that goes.
    Removing,
}

/// What a look at the children brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaped {
    /// The main process ended, with this code; negative for a signal's number.
    pub(crate) exit: Option<i32>,
    /// Other children that ended, with their codes.
    pub(crate) others: Vec<(Pid, i32)>,
    /// The last process of the tree went.
    pub(crate) emptied: bool,
}

/// What a stop asks a tree and does to it: its unit tests use one that has no processes.
pub(crate) trait Stoppable {
    fn is_empty(&self) -> bool;

    fn main_is_alive(&self) -> bool;

    /// What lives below us, for people: pid and command.
    fn living(&self) -> Vec<(u32, String)>;

    /// Signals each process group once that is not among those `asked`, and thaws it: a frozen process takes no
    /// signal but SIGKILL. The main process's group comes first. A group whose parent in the tree is alive is
    /// left to that parent, unless `all` are asked. Returns whether any was signalled.
    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool;

    /// One pass of SIGKILL over everything that can be found.
    fn kill_pass(&self);
}

/// Whose listener answers at an address, seen from one tree.
#[allow(dead_code, reason = "a platform that cannot tell gives Unknown alone")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenerOwner {
    /// This process of the tree has it open.
    Ours(Pid),
    /// The kernel does not say.
    Unknown,
    /// No process can be seen to have it: it is about to be closed, or was handed on this moment.
    Unclaimed,
    /// Somebody else: who, for people.
    Stranger(String),
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcStat {
    pub(crate) parent: Pid,
    pub(crate) group: Pid,
    /// It has ended and was not reaped yet.
    pub(crate) zombie: bool,
    /// A signal or a debugger has stopped it.
    pub(crate) stopped: bool,
}
