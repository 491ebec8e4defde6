//! Lists the sockets of other processes: `PROC_PIDLISTFDS` and `PROC_PIDFDSOCKETINFO` of `<sys/proc_info.h>`.
//!
//! Only root sees the sockets of another user.
#![expect(unsafe_code, reason = "system calls that nix lacks")]

use std::os::fd::{FromRawFd, OwnedFd};

use nix::libc::{self, proc_fdinfo};

use crate::sys::Pid;
use crate::sys::xnu::sockets::{Listening, SIZE};

/// Returns the addresses on which a process listens for TCP.
pub(super) fn listening_of(pid: Pid) -> Vec<Listening> {
    let open = open_files(pid).into_iter();
    let sockets =
        open.filter(|file| i32::try_from(file.proc_fdtype) == Ok(libc::PROX_FDTYPE_SOCKET));
    sockets
        .filter_map(|socket| Listening::read(&reported(pid, socket.proc_fd)?))
        .collect()
}

/// Closes the pipes and sockets that this process inherited, except the standard streams.
///
/// The system has no call that opens a pipe and marks it close-on-exec at once. If another thread of the test process
/// opens a pipe at that moment, a process that lives as long as a supervisor would keep its reader from seeing its end.
pub(crate) fn close_inherited() {
    let kinds = [libc::PROX_FDTYPE_PIPE, libc::PROX_FDTYPE_SOCKET];
    for file in open_files(Pid::this()) {
        let kind = i32::try_from(file.proc_fdtype);
        if file.proc_fd > 2 && kind.is_ok_and(|kind| kinds.contains(&kind)) {
            // SAFETY: called by a supervisor at its very start, which uses none of these.
            drop(unsafe { OwnedFd::from_raw_fd(file.proc_fd) });
        }
    }
}

/// Lists the open files of a process. The kernel writes as many as fit into the buffer, and returns their size in
/// bytes.
fn open_files(pid: Pid) -> Vec<proc_fdinfo> {
    let none = proc_fdinfo {
        proc_fd: 0,
        proc_fdtype: 0,
    };
    let mut room = vec![none; 256];
    loop {
        let bytes = i32::try_from(size_of_val(&*room)).unwrap_or(i32::MAX);
        let into = room.as_mut_ptr().cast();
        // SAFETY: the call writes no more than this many bytes.
        let written =
            unsafe { libc::proc_pidinfo(pid.as_raw(), libc::PROC_PIDLISTFDS, 0, into, bytes) };
        let found = usize::try_from(written).unwrap_or(0) / size_of::<proc_fdinfo>();
        if found < room.len() {
            room.truncate(found);
            return room;
        }
        room.resize(room.len() * 2, none);
    }
}

/// Returns the kernel's description of a socket, or `None` if it was closed.
fn reported(pid: Pid, number: i32) -> Option<[u8; SIZE]> {
    const PROC_PIDFDSOCKETINFO: i32 = 3;
    let mut reported = [0; SIZE];
    let size = i32::try_from(SIZE).ok()?;
    let into = reported.as_mut_ptr().cast();
    // SAFETY: the call writes no more than this many bytes.
    let written =
        unsafe { libc::proc_pidfdinfo(pid.as_raw(), number, PROC_PIDFDSOCKETINFO, into, size) };
    (written == size).then_some(reported)
}
