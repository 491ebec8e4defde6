//! The socket of a supervisor as a source of news: its messages, and its end.

use std::sync::Mutex;
use std::time::Duration;

use super::reader::Source;
use super::sync::lock;
use crate::protocol::Message;
use crate::protocol::frames::{Inbox, Received};
use crate::sys::{self, Process, Wakeup};

/// The test process's end of the socket, and the supervisor at the other end.
pub(super) struct Socket {
    pub(super) stream: sys::Socket,
    pub(super) supervisor: Process,
    /// The messages that are incomplete. The thread that reads holds the lock.
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
    /// Whether the supervisor ended; its last messages may still be in the socket.
    type Wakeup = bool;
    type News = Read;

    fn wait(&self, bound: Duration) -> Option<bool> {
        await_news(&self.stream, self.supervisor.wakeup(), bound)
    }

    fn take(&self, supervisor_ended: bool) -> Read {
        let mut inbox = lock(&self.inbox);
        let mut read = take_in(&self.stream, &mut inbox);
        // The last messages count, and the end is known right after them. The end of the process is what matters, not
        // only that of the socket: a forked child may hold the other end of the socket.
        read.ended |= supervisor_ended;
        read
    }
}

/// Waits at most this long, and takes nothing. Returns whether the supervisor ended, or `None` after the time.
pub(super) fn await_news(
    socket: &sys::Socket,
    supervisor: Option<Wakeup<'_>>,
    wait: Duration,
) -> Option<bool> {
    let sources = [Some(sys::wakeup_of(socket)), supervisor];
    let woken = sys::await_readable(sources.into_iter().flatten(), wait)?;
    Some(woken.get(1) == Some(&true))
}

/// The messages taken from the socket.
pub(super) type Read = Received<Message>;

/// Takes all messages that have arrived, without waiting.
pub(super) fn take_in(socket: &sys::Socket, inbox: &mut Inbox) -> Read {
    inbox.receive(socket, usize::MAX)
}
