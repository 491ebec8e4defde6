//! Starts a supervisor from the test process: runs this program again, and reads the supervisor's first message.
//!
//! The test process does not wait until the supervisor is up: its first call waits in the socket. If the supervisor
//! ends before it replies, the error of that call gives the reason (`Core::without_supervisor`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::socket::{Read, await_news, take_in};
use crate::protocol::frames::Inbox;
use crate::protocol::{ENTRY, Event, HANDSHAKE, Message, SUPERVISOR, is_name};
use crate::sys::{self, Process};
use crate::wait::Deadline;

/// Runs this program again as the supervisor of this name.
pub(super) fn run_again(name: &str) -> io::Result<(sys::Socket, Process, u32)> {
    let greeting = [HANDSHAKE, name.as_bytes()].concat();
    sys::run_again(SUPERVISOR, (ENTRY, name), &greeting)
}

/// Returns the error for a supervisor that ended before it sent a message: this program cannot be run again, or the
/// system does not permit it.
pub(super) fn ended_early() -> io::Error {
    let program = std::env::current_exe().unwrap_or_default();
    io::Error::other(format!(
        "the supervisor (a second process of {}) ended before it was up. Start the test binary directly, without a loader such as ld.so, without valgrind, and not from another namespace",
        program.display()
    ))
}

/// Returns the name of a supervisor that a run shares, which is the first message that it sends.
pub(super) fn await_name(socket: &sys::Socket, deadline: Deadline) -> io::Result<(Inbox, String)> {
    let mut inbox = Inbox::default();
    loop {
        let read = read_within(deadline.remaining(), socket, &mut inbox);
        for (message, _) in read.messages {
            if let Message::Event(Event::Named(name)) = message {
                let refused = || io::ErrorKind::InvalidData.into();
                return is_name(&name).then_some((inbox, name)).ok_or_else(refused);
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

/// Returns the messages that arrive within this time, while only one thread knows the socket.
fn read_within(wait: Duration, socket: &sys::Socket, inbox: &mut Inbox) -> Read {
    match await_news(socket, None, wait) {
        None => Read::default(),
        Some(_) => take_in(socket, inbox),
    }
}

/// Returns a unique name, made from the standard library's per-process random keys, the pid, and a count.
pub(crate) fn unique_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let salt = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let half = || RandomState::new().hash_one(salt);
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = (0..100).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 100);
    }
}
