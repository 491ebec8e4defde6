//! Starts a supervisor: the test process runs its own program again, with a socket as standard input, and the new
//! process takes over the socket.
//!
//! Until [`is_greeted`] returns `true`, this code takes nothing away from a program that merely inherited the marker of
//! a supervisor: it only peeks at the data in the socket.
#![expect(unsafe_code, reason = "a descriptor is adopted by its number")]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::socket::{MsgFlags, recv};
use nix::unistd::{getegid, setsid};

use super::names::NULL_DEVICE;
use super::process::parent;
use super::signals::reset_signals;
use super::sockets::Socket;
use crate::sys::{self, Pid, Process};

/// Fails if a supervisor of this process would refuse to serve, because the kernel may run it with other rights.
pub(crate) fn may_supervise() -> io::Result<()> {
    if sys::runs_privileged() {
        return Err(io::Error::other(
            "a program with set-user-id, set-group-id or file capabilities cannot supervise, nor can a process whose effective user is not its real one (`seteuid`)",
        ));
    }
    Ok(())
}

/// Runs this program again under this name, with one more variable. Returns the socket to the new process, and the
/// process; the greeting waits on the process's own end. Nothing here prevents std's fast way to spawn: all other
/// descriptors are close-on-exec, and the new process sets its own session and directory.
pub(crate) fn run_again(
    name: &str,
    (variable, value): (&str, &str),
    greeting: &[u8],
) -> io::Result<(Socket, Process, u32)> {
    let (socket, theirs) = Socket::pair()?;
    // Sent before the start, so that the new process finds the greeting at its first look.
    (&socket).write_all(greeting)?;
    let mut child = Command::new(sys::own_program()?)
        .arg0(name)
        .env(variable, value)
        .env("LLVM_PROFILE_FILE", NULL_DEVICE)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let opened = Process::open_child(child.id());
    if opened.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok((socket, opened?, child.id()))
}

/// Returns whether standard input is a socket with this greeting in it.
pub(crate) fn is_greeted(expected: &[u8]) -> bool {
    let mut greeting = [0_u8; 64];
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(io::stdin().as_fd().as_raw_fd(), &mut greeting, flags)
        .is_ok_and(|length| greeting[..length].starts_with(expected))
}

/// Returns the process at the other end of standard input. A program that has other rights than its caller serves no
/// process: neither a set-user-id program, nor one that such a launcher runs in its own place.
pub(crate) fn caller() -> Option<Pid> {
    let socket = io::stdin();
    let is_safe = !sys::runs_privileged() && has_peer_of_same_rights(&socket);
    is_safe.then(|| sys::peer(&socket))?
}

/// Returns whether the process that made the other end of this socket pair had the user and the group of this process.
fn has_peer_of_same_rights(socket: &impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    let peer = {
        use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
        getsockopt(socket, PeerCredentials).map(|peer| (peer.uid(), peer.gid()))
    };
    #[cfg(not(target_os = "linux"))]
    let peer = nix::unistd::getpeereid(socket).map(|(user, group)| (user.as_raw(), group.as_raw()));
    // The effective user and group are the real ones here (`runs_privileged`).
    peer == Ok((sys::user(), getegid().as_raw()))
}

/// Drops the state that this process inherited from its caller.
pub(crate) fn leave_the_caller() {
    reset_signals();
    sys::close_inherited();
    super::tree::reserve_room();
    sys::set_process_name();
    let _ = std::env::set_current_dir("/");
    // Starts a new session and process group, without a terminal.
    let _ = setsid();
    sys::become_subreaper();
}

/// Takes over the socket at standard input, with a greeting of this length, and opens the caller. Returns `None` if the
/// caller has ended, because it needs no supervisor then.
pub(crate) fn take_hold(caller: Pid, greeting: usize) -> Option<(Socket, Process)> {
    // The parent is checked after the pid was opened: the pid may have been given to another process in between.
    let process = Process::open(caller).ok()?;
    if parent() != caller {
        return None;
    }
    // SAFETY: called once, by a supervisor, before anything else uses descriptor 0; it never returns to a program that
    // would.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(0) });
    let mut greeting = vec![0_u8; greeting];
    (&socket).read_exact(&mut greeting).ok()?;
    Some((socket, process))
}
