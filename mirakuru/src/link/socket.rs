//! The socket of a supervisor, as a source of news: its messages, and its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::reader::Source;
use crate::protocol::frames::{Arrived, Inbox};
use crate::protocol::{Message, Wire};
use crate::sys::{self, ProcessFd};

/// The test's end of the socket, and the supervisor at the other end.
pub(super) struct Socket {
    pub(super) stream: UnixStream,
    pub(super) supervisor: ProcessFd,
    /// Held by the thread that reads.
    inbox: Mutex<Inbox>,
}

impl Socket {
    pub(super) fn new(stream: UnixStream, supervisor: ProcessFd, inbox: Inbox) -> Self {
        Self {
            stream,
            supervisor,
            inbox: Mutex::new(inbox),
        }
    }
}

impl Source for Socket {
    type Wakeup = Wakeup;
    type News = Read;

    fn wait(&self, bound: Duration) -> Option<Wakeup> {
        await_news(&self.stream, self.supervisor.wakeup(), bound)
    }

    fn take(&self, woken: Wakeup) -> Read {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = take_in(&self.stream, &mut inbox);
        // What was sent last counts, and the end after it is known at once. That of the process, not
        // only of the socket: a forked child may hold the other end of the socket.
        read.ended |= woken == Wakeup::End;
        read
    }
}

/// What ended a wait at the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakeup {
    Something,
    /// The supervisor ended; what it said last may be there.
    End,
}

/// Waits this long at most; takes nothing.
pub(super) fn await_news(
    socket: &UnixStream,
    supervisor: Option<BorrowedFd<'_>>,
    wait: Duration,
) -> Option<Wakeup> {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds: Vec<_> = [Some(socket.as_fd()), supervisor]
        .into_iter()
        .flatten()
        .map(readable)
        .collect();
    let wait = Some(wait).filter(|wait| *wait != Duration::MAX);
    let polled = loop {
        match sys::poll_for(&mut fds, wait) {
            // A signal is no news to who only looks; who waits looks at the deadline in between.
            Err(Errno::EINTR) if wait == Some(Duration::ZERO) => {}
            polled => break polled,
        }
    };
    let ended = fds.get(1).and_then(PollFd::any) == Some(true);
    let woken = if ended {
        Wakeup::End
    } else {
        Wakeup::Something
    };
    (polled != Ok(0)).then_some(woken)
}

/// What was taken from the socket.
#[derive(Default)]
pub(super) struct Read {
    pub(super) messages: Vec<(Message, Vec<OwnedFd>)>,
    /// The socket came to its end after them, or the supervisor ended.
    pub(super) ended: bool,
}

/// All that has arrived; never waits.
pub(super) fn take_in(socket: &UnixStream, inbox: &mut Inbox) -> Read {
    let mut ended = loop {
        match inbox.receive(socket) {
            Ok(Arrived::Something) => {}
            Ok(Arrived::Nothing) => break false,
            Ok(Arrived::End) | Err(_) => break true,
        }
    };
    let mut messages = Vec::new();
    while let Some(frame) = inbox.next() {
        let Some(message) = Message::from_bytes(&frame.bytes) else {
            // Not our supervisor's: nothing after it can be trusted.
            ended = true;
            break;
        };
        messages.push((message, frame.fds));
    }
    Read { messages, ended }
}
