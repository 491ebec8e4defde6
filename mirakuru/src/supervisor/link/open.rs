//! How a supervisor comes up, seen from the test process: this program is run again, and greets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use crate::supervisor::protocol::{ENTRY, Event, SUPERVISOR};
use crate::supervisor::wire::{Arrived, Inbox};
use crate::sys::{self, ProcessFd};
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
        let ended = || io::Error::other("the supervisor ended before it was up");
        // The end of the socket does not show where a forked child holds the other end too.
        let has_ended = !matches!(child.try_wait(), Ok(None));
        let wait = deadline.remaining().min(LOOK);
        let read = read_events(socket, None, &mut inbox, wait);
        let hello = |(event, _): &(Event, _)| *event == Event::Hello;
        if let Some((_, fds)) = read.events.into_iter().find(hello) {
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

/// The name of the supervisor that a run shares: the first that it says.
pub(super) fn await_name(socket: &UnixStream, deadline: Deadline) -> io::Result<(Inbox, String)> {
    let mut inbox = Inbox::default();
    loop {
        let read = read_events(socket, None, &mut inbox, deadline.remaining());
        for (event, _) in read.events {
            if let Event::Named(name) = event {
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

/// What a look at the socket brought.
#[derive(Default)]
pub(super) struct Read {
    pub(super) events: Vec<(Event, Vec<OwnedFd>)>,
    /// The socket came to its end behind them, or the supervisor.
    pub(super) ended: bool,
}

/// What arrives within this time.
pub(super) fn read_events(
    socket: &UnixStream,
    supervisor: Option<BorrowedFd<'_>>,
    inbox: &mut Inbox,
    wait: Duration,
) -> Read {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds: Vec<_> = [Some(socket.as_fd()), supervisor]
        .into_iter()
        .flatten()
        .map(readable)
        .collect();
    let wait = Some(wait).filter(|wait| *wait != Duration::MAX);
    if sys::poll_for(&mut fds, wait) == Ok(0) {
        return Read::default();
    }
    // Of the process, not only of the socket: a forked child may hold the other end of that.
    let mut ended = fds
        .get(1)
        .is_some_and(|process| process.any() == Some(true));
    loop {
        match inbox.receive(socket) {
            Ok(Arrived::Something) => {}
            Ok(Arrived::Nothing) => break,
            Ok(Arrived::End) | Err(_) => {
                ended = true;
                break;
            }
        }
    }
    let mut events = Vec::new();
    while let Some(frame) = inbox.next() {
        match Event::decode(&frame.bytes) {
            Some(event) => events.push((event, frame.fds)),
            // Not our supervisor's: there is no way on.
            None => ended = true,
        }
    }
    Read { events, ended }
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
