//! How a supervisor comes up, seen from the test process: this program is run again, and greets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;

use super::socket::{Read, await_news, take_in};
use crate::protocol::frames::Inbox;
use crate::protocol::{ENTRY, Event, Message, SUPERVISOR};
use crate::sys::{self, Pid, ProcessFd};
use crate::wait::Deadline;

/// How often a supervisor that has not greeted yet is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs this program again as a supervisor. Nothing here keeps std from the fast way to spawn:
/// everything else is close-on-exec, and the supervisor sees to its own session and directory.
pub(super) fn run_again(name: &str, socket: UnixStream) -> io::Result<Child> {
    Command::new(sys::own_program()?)
        .arg0(SUPERVISOR)
        .env(ENTRY, name)
        .env("LLVM_PROFILE_FILE", "/dev/null")
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

pub(super) fn await_greeting(
    socket: &UnixStream,
    child: &mut Child,
    deadline: Deadline,
) -> io::Result<(Inbox, ProcessFd)> {
    let mut inbox = Inbox::default();
    loop {
        // The end of the socket does not show where a forked child holds the other end too.
        let exit = child.try_wait();
        let has_ended = !matches!(exit, Ok(None));
        let ended = || ended_early(exit.ok().flatten());
        let wait = deadline.remaining().min(LOOK);
        let read = read_within(wait, socket, &mut inbox);
        let hello = |(message, _): &(Message, _)| *message == Message::Event(Event::Hello);
        if let Some((_, fds)) = read.messages.into_iter().find(hello) {
            let process =
                ProcessFd::from_message(fds.into_iter().next(), child.id()).ok_or_else(ended)?;
            return Ok((inbox, process));
        }
        if has_ended || read.ended {
            return Err(ended());
        }
        if deadline.has_passed() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the supervisor did not come up in time",
            ));
        }
    }
}

/// It never said a word: this program is not one that can be run again, or may not be.
fn ended_early(exit: Option<ExitStatus>) -> io::Error {
    let refused = |error: &io::Error| {
        let errno = error.raw_os_error().map(Errno::from_raw);
        matches!(errno, Some(Errno::ENOSYS | Errno::EPERM))
    };
    if let Some(error) = ProcessFd::open(Pid::this()).err().filter(refused) {
        return io::Error::other(format!(
            "`pidfd_open` is refused here ({error}): Linux 5.9 or later is needed, and a sandbox that allows it"
        ));
    }
    let program = std::env::current_exe().unwrap_or_default();
    let how = exit.map(|exit| format!(" ({exit})")).unwrap_or_default();
    io::Error::other(format!(
        "the supervisor, which is {} run again, ended before it was up{how}: run that program directly: not by a loader, not under valgrind, and not from another namespace",
        program.display()
    ))
}

/// The name of the supervisor that a run shares: the first that it says.
pub(super) fn await_name(socket: &UnixStream, deadline: Deadline) -> io::Result<(Inbox, String)> {
    let mut inbox = Inbox::default();
    loop {
        let read = read_within(deadline.remaining(), socket, &mut inbox);
        for (message, _) in read.messages {
            if let Message::Event(Event::Named(name)) = message {
                return Ok((inbox, name));
            }
        }
        if read.ended {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if deadline.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// What arrives within this time, where only one thread knows the socket yet.
fn read_within(wait: Duration, socket: &UnixStream, inbox: &mut Inbox) -> Read {
    match await_news(socket, None, wait) {
        None => Read::default(),
        Some(_) => take_in(socket, inbox),
    }
}

/// A name that no other supervisor has: the standard library's per-process random keys, the pid,
/// and a count.
pub(super) fn unique_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let salt = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let half = || RandomState::new().hash_one(salt);
    format!("{:016x}{:016x}", half(), half())
}
