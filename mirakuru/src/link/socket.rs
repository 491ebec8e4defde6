//! The socket of a supervisor, as a source of news: its messages, and its end.

use std::sync::Mutex;
use std::time::Duration;

use super::reader::Source;
use super::sync::lock;
use crate::protocol::Message;
use crate::protocol::frames::{Inbox, Received};
use crate::sys::{self, Process, Wakeup};

/// The test's end of the socket, and the supervisor at the other end.
pub(super) struct Socket {
    pub(super) stream: sys::Socket,
    pub(super) supervisor: Process,
    /// Held by the thread that reads.
    inbox: Mutex<Inbox>,
}

impl Socket {
    pub(super) fn new(stream: sys::Socket, supervisor: Process, inbox: Inbox) -> Self {
        Self {
            stream,
            supervisor,
            inbox: Mutex::new(inbox),
        }
    }
}

impl Source for Socket {
    /// Whether the supervisor ended; what it said last may be there.
    type Wakeup = bool;
    type News = Read;

    fn wait(&self, bound: Duration) -> Option<bool> {
        await_news(&self.stream, self.supervisor.wakeup(), bound)
    }

    fn take(&self, supervisor_ended: bool) -> Read {
        let mut inbox = lock(&self.inbox);
        let mut read = take_in(&self.stream, &mut inbox);
        // What was sent last counts, and the end after it is known at once. That of the process, not
        // only of the socket: a forked child may hold the other end of the socket.
        read.ended |= supervisor_ended;
        read
    }
}

/// Waits this long at most, and takes nothing; whether the supervisor ended.
pub(super) fn await_news(
    socket: &sys::Socket,
    supervisor: Option<Wakeup<'_>>,
    wait: Duration,
) -> Option<bool> {
    let sources = [Some(sys::wakeup_of(socket)), supervisor];
    let woken = sys::await_readable(sources.into_iter().flatten(), wait)?;
    Some(woken.get(1) == Some(&true))
}

/// What was taken from the socket.
pub(super) type Read = Received<Message>;

/// All that has arrived; never waits.
pub(super) fn take_in(socket: &sys::Socket, inbox: &mut Inbox) -> Read {
    inbox.receive(socket, usize::MAX)
}
