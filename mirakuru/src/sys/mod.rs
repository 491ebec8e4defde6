//! Isolates the differences between systems: every system's files export the same names, so that no caller needs a
//! `cfg`.
//!
//! | name | Linux | macOS | other Unixes | Windows |
//! |---|---|---|---|---|
//! | [`Process`] | a pidfd, which names one process for ever | its pid and its unique id, and a kqueue with `NOTE_EXIT` | its pid, checked by signal 0 | a handle: while it is open, the number belongs to no other process |
//! | [`spawn`] | `clone(CLONE_VM \| CLONE_VFORK)`: no page table is copied | → | a fork, and a pipe for the step that failed | suspended, taken into the job, then resumed (`windows/spawn.rs`) |
//! | [`become_subreaper`] | orphans of the tree become children of the supervisor | → | nothing: they go to init | – |
//! | [`has_orphans`] | always false: orphans are children of the supervisor | → | whether the group of the ended main process has members | – |
//! | [`has_strays`] | always false: no process leaves the tree | whether a living process has a chain of unique ids that leads to the supervisor | always false: strays cannot be found | –: no process leaves the job |
//! | [`die_with_parent`] | `PR_SET_PDEATHSIG` | → | nothing | the job ends with its last handle, which the supervisor holds |
//! | [`children`], [`descendants`] | `/proc/PID/task/*/children`, or `/proc/*/stat` | `proc_listpids`, and unique ids (`PROC_PIDUNIQIDENTIFIERINFO`) | nothing | the list of the job (`windows/job.rs`) |
//! | [`is_still`] | checks the parent | checks the unique ids | nothing | – |
//! | [`Wakeups`] | a signalfd for `SIGCHLD`, and dnotify for paths | a kqueue: `SIGCHLD`, forks and ends in the tree, and paths | a short poll interval | a socket that reports the messages of the job and the ends of reads (`windows/bell.rs`) |
//! | [`marked`] | `/proc/*/environ` | `KERN_PROCARGS2`, except for programs that the system protects | nothing | nothing: the job leaves no process |
//! | [`proc_stat`], [`started_at`], [`program_name`], [`command_line`], [`carries`] | `/proc/PID/stat`, `cmdline`, `environ` | `proc_pidinfo`, `KERN_PROCARGS2` | the group alone | `GetProcessTimes`, `NtQueryInformationProcess`, the name of the program; no environment |
//! | [`has_ended`] | `/proc/PID/stat`, or signal 0 | `proc_pidinfo`, or signal 0 | signal 0 | a wait for the handle with timeout 0 |
//! | [`peer`] | `SO_PEERCRED` | `LOCAL_PEERPID` | the parent | the process that the socket was made for, or that knew the secret of the door's socket |
//! | [`namespaces`], [`standard_error_of`], [`threads`] | `/proc/PID/ns`, `fd` and `task` | → | nothing | nothing |
//! | [`own_program`] | `/proc/self/exe`: the file itself | → | the path that the program was started from | –: `current_exe` |
//! | [`waits_for_input`] | `/proc/*/syscall` | → | nothing | nothing |
//! | [`listening`] | `/proc/*/fd` and `/proc/net/tcp` | `PROC_PIDFDSOCKETINFO` | nothing | `GetExtendedTcpTable` |
//! | [`holder_of_port`], [`Listeners`], [`owner_of_listener`], [`owner_of_peer`], [`is_unclaimed`] | `NETLINK_SOCK_DIAG`, `SO_PEERCRED`, and `/proc/*/fd` | `PROC_PIDFDSOCKETINFO` of this user's processes, `LOCAL_PEERPID`, and unique ids | nothing | `GetExtendedTcpTable`, and the chain of parents |
//! | [`connect`] | std | → | → | without the repetitions of a refused attempt |
//! | [`unmount_below`] | `/proc/self/mountinfo`, and `umount2` | → | nothing | nothing |
//! | [`hand_over`], [`open_up`] | `O_PATH` descriptors | → | a check before the call | nothing: no other user is involved |
//! | [`open_below`] | `openat2`: crosses no mount | → | `openat` | – |
//! | [`remove_shared_memory`] | `/proc/sysvipc/shm` | → | nothing | nothing: the memory ends with the processes that have it open |
//! | [`memory`] | `/dev/shm`, if it has room | → | nothing | nothing |
//! | [`Notices`] | with the sender of each message, by `SO_PASSCRED` | → | without the sender | nothing |
//! | [`ephemeral_ports`] | `/proc/sys/net/ipv4/ip_local_port_range` | → | 32768 and above: the range of RFC 6335, and that of Linux | → |
//! | [`groups_of`] | all groups of a user | → | only the user's own group | – |
//! | [`lower_oom_score`], [`set_process_name`] | `/proc/self/oom_score_adj`, and `prctl` | → | nothing | nothing |
//! | [`try_lock_to_remove`] | a lock of the open file (`F_OFD_SETLK`) | → | a lock of the process, which ends when any of its threads closes the file | –: the file of a claim is removed with its handle |
//! | [`forget_range`] | a hole punched into the file | a hole of whole blocks (`F_PUNCHHOLE`) | nothing | `FSCTL_SET_ZERO_DATA` in a sparse file |
//! | [`close_inherited`] | `close_range` | pipes and sockets, by `PROC_PIDLISTFDS` | nothing: std marks all its own descriptors | –: std passes on the three streams, and the handles that other code made inheritable |
//!
//! An arrow (→) means that `macos/` uses the implementation of `portable/`, and that `windows/` does the same as the
//! column before it. A dash (–) means that only `posix/` uses the name, as the tree and the start of a supervisor work
//! differently in `windows/`. `xnu/` parses the answers of the kernel of macOS, and its unit tests run on every Unix.
//! `posix/` holds the code that all Unixes share, including the process tree.
//!
//! All `unsafe` code of the crate is in this folder, and `tests/layout/main.rs` keeps the words of operating systems in it.
//! Callers know sockets, handles and processes by the names that are exported here.

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the contract: a function that cannot fail or needs no state on one platform may fail or need it on another"
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
    /// A text that fits after "failed to".
    pub(crate) step: Cow<'static, str>,
    pub(crate) code: i32,
}

/// The outcome of an attempt to make a claim.
#[derive(Debug)]
pub(crate) enum Claimed {
    Acquired(Claim),
    /// Another process has the claim; the text in its file.
    HeldBy(String),
    /// The former holder removed the file during the attempt.
    Removed,
    /// The file has no holder: another process is removing the file, or still reads one that is about to be removed.
    Removing,
}

/// The result of one check of the children.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaped {
    /// The exit code of the main process, if it ended; a signal's number is negative.
    pub(crate) exit: Option<i32>,
    /// The children that ended, with their codes. On Unix, the main process is one of them, if it is a child.
    pub(crate) children: Vec<(Pid, i32)>,
    /// The last process of the tree has ended.
    pub(crate) emptied: bool,
}

/// The operations of a stop on a tree. Its unit tests use a tree that has no processes.
pub(crate) trait Stoppable {
    fn is_empty(&self) -> bool;

    fn main_is_alive(&self) -> bool;

    /// Returns the living processes of the tree, human-readable: pid and command.
    fn living(&self) -> Vec<(u32, String)>;

    /// Signals each process group once that is not in `asked`, and continues it: a frozen process takes no signal but
    /// SIGKILL. The main process's group comes first. A group with a living parent in the tree is left to that parent,
    /// unless `all` are asked. Returns whether any group was signalled.
    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, all: bool) -> bool;

    /// Sends SIGKILL once to every process of the tree that can be found.
    fn kill_pass(&self);
}

/// The owner of the listener at an address, from the view of one tree.
#[allow(
    dead_code,
    reason = "a platform that cannot find the owner returns only Unknown"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenerOwner {
    /// This process of the tree has the listener open.
    Ours(Pid),
    /// The kernel does not show the owner.
    Unknown,
    /// No visible process has the listener: it is about to be closed, or is being handed on at this moment.
    Unclaimed,
    /// Another process has the listener; its human-readable description.
    Stranger(String),
}

/// The position of a process in the tree, and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcStat {
    pub(crate) parent: Pid,
    pub(crate) group: Pid,
    /// The process has ended and was not reaped yet.
    pub(crate) zombie: bool,
    /// A signal or a debugger has stopped the process.
    pub(crate) stopped: bool,
}
