//! Inspects other processes with `proc_pidinfo` and `proc_listpids` of `<libproc.h>`, and with `sysctl(3)`.
//!
//! For a process of another user, the kernel shows only its parent, its group, its state and its unique ids
//! (`proc_pidinfo` in XNU's `bsd/kern/proc_info.c`).
#![expect(unsafe_code, reason = "system calls that nix lacks")]

use std::ffi::c_char;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::kill;
use nix::sys::socket::{getsockopt, sockopt::LocalPeerPid};
use nix::unistd::getppid;

use crate::sys::xnu::arguments::Arguments;
use crate::sys::xnu::lineage::Kin;
use crate::sys::{Pid, ProcStat};

/// The reason, in errors, why nothing is known of a process.
pub(crate) const UNSEEN: &str = "cannot be inspected";

/// A structure that `proc_pidinfo` fills.
///
/// # Safety
///
/// The kernel fills this structure for this flavor, and it holds numbers alone.
unsafe trait ProcInfo {
    const FLAVOR: i32;
}

// SAFETY: `bsd/sys/proc_info.h` names them together.
unsafe impl ProcInfo for libc::proc_bsdinfo {
    const FLAVOR: i32 = libc::PROC_PIDTBSDINFO;
}

// SAFETY: `bsd/sys/proc_info.h` names them together.
unsafe impl ProcInfo for libc::proc_bsdshortinfo {
    const FLAVOR: i32 = libc::PROC_PIDT_SHORTBSDINFO;
}

/// `struct proc_uniqidentifierinfo` of XNU's `bsd/sys/proc_info_private.h`.
#[repr(C)]
struct UniqueIds {
    program: [u8; 16],
    own: u64,
    parent: u64,
    versions: [i32; 2],
    reserved: [u64; 2],
}

// SAFETY: `PROC_PIDUNIQIDENTIFIERINFO` is defined next to the structure.
unsafe impl ProcInfo for UniqueIds {
    const FLAVOR: i32 = 17;
}

/// Requests a structure of a process, even of a zombie. Returns `None` if no process has this pid, or if the process
/// belongs to another user.
fn reported<T: ProcInfo>(pid: Pid) -> Option<T> {
    /// The argument with which the kernel also searches the zombies.
    const WITH_ZOMBIES: u64 = 1;
    let mut room = MaybeUninit::<T>::zeroed();
    let size = i32::try_from(size_of::<T>()).ok()?;
    let into = room.as_mut_ptr().cast();
    // SAFETY: the call writes no more than this many bytes.
    let written = unsafe { libc::proc_pidinfo(pid.as_raw(), T::FLAVOR, WITH_ZOMBIES, into, size) };
    // SAFETY: it was filled, and any bytes are numbers.
    (written == size).then(|| unsafe { room.assume_init() })
}

/// Returns the parent, the group and the state of a process, even of a zombie.
pub(crate) fn proc_stat(pid: Pid) -> Option<ProcStat> {
    let reported: libc::proc_bsdshortinfo = reported(pid)?;
    Some(ProcStat {
        parent: crate::sys::process_of(reported.pbsi_ppid)?,
        group: crate::sys::process_of(reported.pbsi_pgid)?,
        zombie: reported.pbsi_status == libc::SZOMB,
        stopped: reported.pbsi_status == libc::SSTOP,
    })
}

/// Returns whether a process has ended. A process that cannot be inspected still accepts or refuses a signal.
pub(crate) fn has_ended(pid: Pid) -> bool {
    proc_stat(pid).map_or_else(|| kill(pid, None) == Err(Errno::ESRCH), |stat| stat.zombie)
}

/// Returns when a process started, in microseconds of the clock. Together with its pid, this identifies the process for
/// ever.
pub(crate) fn started_at(pid: Pid) -> Option<u64> {
    let reported: libc::proc_bsdinfo = reported(pid)?;
    Some(reported.pbi_start_tvsec * 1_000_000 + reported.pbi_start_tvusec)
}

/// Returns the file name by which the program of a process was started, or its first 31 bytes.
pub(crate) fn program_name(pid: Pid) -> Option<String> {
    let reported: libc::proc_bsdinfo = reported(pid)?;
    Some(text(&reported.pbi_name)).filter(|name| !name.is_empty())
}

fn text(chars: &[c_char]) -> String {
    let chars = chars.iter().take_while(|char| **char != 0);
    let bytes: Vec<_> = chars.flat_map(|char| char.to_ne_bytes()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a process with its unique ids.
pub(super) fn kin(pid: Pid) -> Option<Kin> {
    let UniqueIds { own, parent, .. } = reported(pid)?;
    Some(Kin { pid, own, parent })
}

/// Lists every process, including zombies.
pub(super) fn processes() -> Vec<Pid> {
    const PROC_ALL_PIDS: u32 = 1;
    listed(PROC_ALL_PIDS, 0)
}

/// Lists the children of a process, including zombies.
pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
    const PROC_PPID_ONLY: u32 = 6;
    listed(PROC_PPID_ONLY, crate::sys::number_of(parent))
}

/// Lists the processes of a kind; `bsd/sys/proc_info.h` numbers the kinds.
///
/// The kernel writes as many as fit into the buffer, and returns their size in bytes.
fn listed(kind: u32, of: u32) -> Vec<Pid> {
    let mut room = vec![0_i32; 1024];
    loop {
        let bytes = i32::try_from(size_of_val(&*room)).unwrap_or(i32::MAX);
        // SAFETY: the call writes no more than this many bytes.
        let written = unsafe { libc::proc_listpids(kind, of, room.as_mut_ptr().cast(), bytes) };
        let found = usize::try_from(written).unwrap_or(0) / size_of::<i32>();
        if found < room.len() {
            // The kernel itself is the process 0.
            let found = room[..found].iter().filter(|pid| **pid > 0);
            return found.map(|pid| Pid::from_raw(*pid)).collect();
        }
        room.resize(room.len() * 2, 0);
    }
}

/// Returns the arguments and the environment of a process of this user.
fn arguments(pid: Pid) -> Option<Vec<u8>> {
    /// The longest total size of all arguments: `ARG_MAX`.
    const LONGEST: usize = 1 << 20;
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.as_raw()];
    let (mut answer, mut length) = (vec![0; LONGEST], LONGEST);
    let into = answer.as_mut_ptr().cast();
    // SAFETY: the name has three numbers, and the call writes no more than this many bytes.
    let result = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            3,
            into,
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    answer.truncate(length);
    (result == 0).then_some(answer)
}

/// Returns the human-readable command line, or the name in brackets without a command line.
pub(crate) fn command_line(pid: Pid) -> String {
    let answer = arguments(pid).unwrap_or_default();
    let words = Arguments::read(&answer).unwrap_or_default().words;
    let words = words.into_iter().filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    let reported: Option<libc::proc_bsdshortinfo> = reported(pid);
    format!(
        "[{}]",
        reported.map_or_else(String::new, |reported| text(&reported.pbsi_comm))
    )
}

/// Lists the processes whose environment contains `mark` (`NAME=value`), as far as the kernel shows it.
pub(crate) fn marked(mark: &str) -> io::Result<Vec<Pid>> {
    let own = Pid::this();
    let others = processes().into_iter().filter(|pid| *pid != own);
    Ok(others.filter(|pid| carries(*pid, mark)).collect())
}

/// Returns whether the environment of this process contains `mark`. The kernel does not show the environment of a
/// program that the system protects, such as `/bin/sh`.
pub(crate) fn carries(pid: Pid, mark: &str) -> bool {
    let answer = arguments(pid).unwrap_or_default();
    let environment = Arguments::read(&answer).unwrap_or_default().environment;
    environment.contains(&mark.as_bytes())
}

/// Returns the process at the other end of this socket (`unix(4)`), or the parent if the kernel does not report it.
pub(crate) fn peer(socket: &impl AsFd) -> Option<Pid> {
    getsockopt(socket, LocalPeerPid)
        .map_or_else(|_| Some(getppid()), |pid| Some(Pid::from_raw(pid)))
}
