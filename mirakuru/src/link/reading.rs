//! How a test process hears its supervisor: any number of threads wait, and one reads for all.
//!
//! There is no reading thread. Whoever waits first reads the socket for all; when it has what it
//! wants, the next takes over. A wait therefore costs one `poll`, and an idle executor nothing.
//! A look wants no more than what has arrived, but all of that: what the reader has in hand, or was
//! woken for, is waited for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::{Link, SUPERVISOR_BOUND, State};
use crate::protocol::frames::{Arrived, Inbox};
use crate::protocol::{Event, Wire};
use crate::sys;
use crate::wait::Deadline;

/// The thread that reads for all, and those who wait for it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// A thread reads.
    on: bool,
    /// It has taken something from the socket, or is about to, that nobody knows of yet.
    in_hand: bool,
    /// How often what was in hand became known.
    count: u64,
    /// Threads that wait for it.
    followers: usize,
}

/// How long who looks waits for the reader before it looks again: no wait rests on one wake-up alone.
const LOOK: Duration = Duration::from_secs(1);

impl Link {
    /// Waits until `look` is satisfied by what was told, or by what has arrived at the deadline.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        if self.is_foreign() {
            return None;
        }
        let mut state = self.state();
        let mut last = false;
        // By when all is known that had arrived at the deadline.
        let mut enough = None;
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            if last || state.lost {
                return None;
            }
            let remaining = deadline.remaining();
            if !state.reading.on {
                let (known, woken) = self.read_for_all(state, remaining);
                state = known;
                // Nothing had arrived when the deadline passed, or all of it is known now.
                last = remaining.is_zero() || (woken == Wakeup::Nothing && deadline.has_passed());
                continue;
            }
            let bound = if remaining.is_zero() {
                let reading = &state.reading;
                // What is in hand may have been taken before the rest arrived.
                let enough = *enough.get_or_insert(reading.count + 1 + u64::from(reading.in_hand));
                if reading.count >= enough || !(reading.in_hand || self.has_news()) {
                    return None;
                }
                LOOK
            } else {
                remaining.min(SUPERVISOR_BOUND)
            };
            state.reading.followers += 1;
            let waited = self.changed.wait_timeout(state, bound);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.reading.followers -= 1;
        }
    }

    /// What is known now, with what has arrived taken in.
    pub(crate) fn look<T>(&self, look: impl Fn(&State) -> T) -> T {
        if self.is_foreign() {
            // Not even the lock: a thread that is not in this process may hold it.
            return look(&State::lost());
        }
        self.wait(Deadline::after(Duration::ZERO), |_| None::<()>);
        look(&self.state())
    }

    /// What is known without another look at the socket.
    pub(crate) fn known<T>(&self, look: impl Fn(&State) -> T) -> T {
        look(&self.state())
    }

    /// Waits this long for something to arrive, and lets everyone know it.
    fn read_for_all<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        wait: Duration,
    ) -> (MutexGuard<'a, State>, Wakeup) {
        state.reading.on = true;
        drop(state);
        let woken = await_news(&self.socket, self.supervisor.wakeup(), wait);
        state = self.state();
        if woken != Wakeup::Nothing {
            // Said ahead of the taking: who looks finds it at the socket, or in hand.
            state.reading.in_hand = true;
            drop(state);
            let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            let read = take_in(&self.socket, &mut inbox);
            drop(inbox);
            state = self.state();
            for (event, fds) in read.events {
                state.apply(event, fds);
            }
            // What was said last counts, and the end behind it is known at once. Of the process, not
            // only of the socket: a forked child may hold the other end of that.
            state.lost |= read.ended || woken == Wakeup::End;
            state.reading.in_hand = false;
            state.reading.count += 1;
        }
        state.reading.on = false;
        // Also wakes who takes over the reading. The call costs even where nobody waits.
        if state.reading.followers > 0 {
            self.changed.notify_all();
        }
        (state, woken)
    }

    fn has_news(&self) -> bool {
        await_news(&self.socket, self.supervisor.wakeup(), Duration::ZERO) != Wakeup::Nothing
    }
}

/// What ended a wait at the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakeup {
    Nothing,
    Something,
    /// The supervisor ended; what it said last may be there.
    End,
}

/// Waits this long at most; takes nothing.
pub(super) fn await_news(
    socket: &UnixStream,
    supervisor: Option<BorrowedFd<'_>>,
    wait: Duration,
) -> Wakeup {
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
    if polled == Ok(0) {
        return Wakeup::Nothing;
    }
    match fds.get(1).and_then(PollFd::any) {
        Some(true) => Wakeup::End,
        _ => Wakeup::Something,
    }
}

/// What was taken from the socket.
#[derive(Default)]
pub(super) struct Read {
    pub(super) events: Vec<(Event, Vec<OwnedFd>)>,
    /// The socket came to its end behind them.
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
    let mut events = Vec::new();
    while let Some(frame) = inbox.next() {
        match Event::from_bytes(&frame.bytes) {
            Some(event) => events.push((event, frame.fds)),
            // Not our supervisor's: there is no way on.
            None => ended = true,
        }
    }
    Read { events, ended }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use nix::unistd::Pid;

    use super::*;
    use crate::protocol::frames;
    use crate::sys::ProcessFd;

    /// A link whose other end the test has; its supervisor is this process, which lives.
    fn link() -> (Link, UnixStream) {
        let (socket, other_end) = UnixStream::pair().expect("a socket");
        let supervisor = ProcessFd::open(Pid::this()).expect("it lives");
        let link = Link::new(0, String::new(), socket, supervisor, Inbox::default());
        (link, other_end)
    }

    /// Somebody reads, and has something in hand.
    fn take(link: &Link) {
        let mut state = link.state();
        (state.reading.on, state.reading.in_hand) = (true, true);
    }

    /// What it has in hand is known: a service began. Whether it goes on to read.
    fn make_known(link: &Link, goes_on: bool) {
        let mut state = link.state();
        state.apply(Event::Began, Vec::new());
        (state.reading.on, state.reading.in_hand) = (goes_on, false);
        state.reading.count += 1;
        link.changed.notify_all();
    }

    fn wait_until(is_so: impl Fn() -> bool) {
        while !is_so() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_look_waits_for_what_another_thread_has_in_hand() {
        let (link, _other_end) = link();
        take(&link);
        thread::scope(|scope| {
            let look = scope.spawn(|| link.look(State::current));
            wait_until(|| look.is_finished() || link.state().reading.followers == 1);
            make_known(&link, false);
            assert_eq!(look.join().expect("no panic"), 1);
        });
    }

    #[test]
    fn a_look_waits_for_what_had_arrived_behind_that() {
        let (link, other_end) = link();
        take(&link);
        let soon = Deadline::after(SUPERVISOR_BOUND);
        frames::send(&other_end, &Event::Began.to_bytes(), &[], soon).expect("there is room");
        let looks = AtomicUsize::new(0);
        thread::scope(|scope| {
            // As `look` does.
            let look = scope.spawn(|| {
                link.wait(Deadline::after(Duration::ZERO), |_| {
                    looks.fetch_add(1, Ordering::Relaxed);
                    None::<()>
                });
                link.known(State::current)
            });
            let waits = |at: usize| {
                let state = link.state();
                looks.load(Ordering::Relaxed) >= at && state.reading.followers == 1
            };
            wait_until(|| look.is_finished() || waits(1));
            let before = looks.load(Ordering::Relaxed);
            make_known(&link, true);
            wait_until(|| look.is_finished() || waits(before + 1));
            // The reader ends: the other takes over, and finds the rest.
            link.state().reading.on = false;
            link.changed.notify_all();
            assert_eq!(look.join().expect("no panic"), 2);
        });
    }
}
