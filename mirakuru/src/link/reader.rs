//! Shares a source among any number of threads; one of them reads it for all.
//!
//! No thread is dedicated to reading. The first thread that waits reads the source for all. When it has what it
//! waits for, the next thread takes over. Therefore a wait costs one wait at the source, and an idle reader costs
//! nothing. A look waits only for news that has arrived, but for all of it: also for the news that the reading thread
//! is taking or was woken for.
//!
//! | phase | the thread that reads | a thread that waits | a thread that looks |
//! |---|---|---|---|
//! | `Idle` | does not exist | becomes it | becomes it, and does not wait at the source |
//! | `Waiting` | waits at the source, without the lock | follows: waits until the state changes | follows if the source has news, else returns |
//! | `Taking` | takes the news, without the lock | follows | follows |
//!
//! The phase goes from `Idle` to `Waiting`, on to `Taking` if there is news, and back to `Idle`. At the step to `Idle`,
//! all news is part of the state, `taken` has counted it, and every follower is woken; one of them becomes the reader.
//! A look that follows returns after a taking that began after the look did. That is the first taking, or the second
//! one if the look began during a taking.

use std::time::Duration;

use super::sync::{Condvar, Mutex, MutexGuard, lock, wait_timeout};
use crate::wait::Deadline;

/// The time that a thread that looks follows before it checks again: no wait depends on one wake-up alone.
const LOOK: Duration = Duration::from_secs(1);
/// The time that a thread that waits follows before it checks again.
const LONGEST: Duration = Duration::from_secs(30);

/// A source of news.
pub(super) trait Source {
    /// The reason why a wait ended.
    type Wakeup;
    type News;

    /// Waits for news, at most this long, and takes none of it.
    fn wait(&self, bound: Duration) -> Option<Self::Wakeup>;

    /// Takes all news that has arrived. One thread at a time calls it.
    fn take(&self, woken: Self::Wakeup) -> Self::News;
}

/// The state that the threads share.
pub(super) trait Known<N> {
    fn apply(&mut self, news: N);

    /// Returns whether no more news will arrive.
    fn is_over(&self) -> bool;
}

/// The activity of the thread that currently reads the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Waiting,
    Taking,
}

#[derive(Debug, Default)]
struct Shared<K> {
    known: K,
    phase: Phase,
    /// The number of times that news was added to `known`.
    taken: u64,
    /// The number of threads that follow the reader.
    followers: usize,
}

/// A source, and the state that is known from it.
#[derive(Debug)]
pub(super) struct SharedReader<S, K> {
    source: S,
    shared: Mutex<Shared<K>>,
    changed: Condvar,
}

impl<S: Source, K: Known<S::News> + Default> SharedReader<S, K> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            shared: Mutex::new(Shared::default()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    /// Uses the state, without reading the source.
    pub(super) fn cached<T>(&self, look: impl FnOnce(&mut K) -> T) -> T {
        look(&mut lock(&self.shared).known)
    }

    /// Uses the state, unless another thread has the lock.
    pub(super) fn try_known<T>(&self, look: impl FnOnce(&mut K) -> T) -> Option<T> {
        let mut shared = self.shared.try_lock().ok()?;
        Some(look(&mut shared.known))
    }

    /// Uses the state after all news that has arrived is part of it.
    pub(super) fn current<T>(&self, look: impl FnOnce(&mut K) -> T) -> T {
        self.wait(Deadline::after(Duration::ZERO), |_| None::<()>);
        self.cached(look)
    }

    /// Waits until `look` finds something in the state. Returns `None` if it finds nothing in all the news that had
    /// arrived at the deadline.
    pub(super) fn wait<T>(
        &self,
        deadline: Deadline,
        mut look: impl FnMut(&mut K) -> Option<T>,
    ) -> Option<T> {
        let mut shared = lock(&self.shared);
        let mut last = false;
        // The value of `taken` at which all news that had arrived at the deadline is known.
        let mut enough = None;
        loop {
            if let Some(found) = look(&mut shared.known) {
                return Some(found);
            }
            if last || shared.known.is_over() {
                return None;
            }
            let remaining = deadline.remaining();
            if shared.phase == Phase::Idle {
                let (known, news) = self.read_for_all(shared, remaining);
                shared = known;
                // Nothing had arrived when the deadline passed, or all of it is known now.
                last = remaining.is_zero() || (!news && deadline.has_passed());
                continue;
            }
            let bound = if remaining.is_zero() {
                let taking = shared.phase == Phase::Taking;
                // The current taking may have begun before the rest arrived.
                let enough = *enough.get_or_insert(shared.taken + 1 + u64::from(taking));
                let has_news = || self.source.wait(Duration::ZERO).is_some();
                if shared.taken >= enough || !(taking || has_news()) {
                    return None;
                }
                LOOK
            } else {
                remaining.min(LONGEST)
            };
            shared.followers += 1;
            shared = wait_timeout(&self.changed, shared, bound);
            shared.followers -= 1;
        }
    }

    /// Waits this long for news, and adds it to the shared state. Returns whether there was news.
    fn read_for_all<'a>(
        &'a self,
        mut shared: MutexGuard<'a, Shared<K>>,
        bound: Duration,
    ) -> (MutexGuard<'a, Shared<K>>, bool) {
        shared.phase = Phase::Waiting;
        drop(shared);
        let woken = self.source.wait(bound);
        shared = lock(&self.shared);
        let has_news = woken.is_some();
        if let Some(woken) = woken {
            // Set before the taking: a thread that looks finds the news at the source, or the phase `Taking`.
            shared.phase = Phase::Taking;
            drop(shared);
            let news = self.source.take(woken);
            shared = lock(&self.shared);
            shared.known.apply(news);
            shared.taken += 1;
        }
        shared.phase = Phase::Idle;
        // This also wakes the thread that takes over the reading. The call has a cost even if no thread follows.
        if shared.followers > 0 {
            self.changed.notify_all();
        }
        (shared, has_news)
    }
}

#[cfg(all(test, not(mirakuru_loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;
    use crate::wait::{pause, until};

    /// A source that always has news. It takes the news until this deadline, and for a millisecond at least.
    struct Busy(Deadline);

    impl Source for Busy {
        type Wakeup = ();
        type News = ();

        fn wait(&self, _bound: Duration) -> Option<()> {
            Some(())
        }

        fn take(&self, (): ()) {
            pause(Duration::from_millis(1));
            while !self.0.has_passed() {
                pause(Duration::from_millis(1));
            }
        }
    }

    const LAST: u32 = 10_000;

    /// Counts the news.
    impl Known<()> for u32 {
        fn apply(&mut self, (): ()) {
            *self += 1;
        }

        fn is_over(&self) -> bool {
            *self == LAST
        }
    }

    #[test]
    fn a_look_at_a_source_that_always_has_news_ends() {
        let reader = SharedReader::new(Busy(Deadline::after(Duration::ZERO)));
        assert_eq!(reader.current(|count: &mut u32| *count), 1);
    }

    #[test]
    fn news_that_arrives_while_others_are_taken_is_seen() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let reader = SharedReader::new(Busy(deadline));
        let second = |count: &mut u32| (*count == 2).then_some(());
        assert_eq!(reader.wait(deadline, second), Some(()));
    }

    #[test]
    fn a_look_ends_while_another_thread_reads_on() {
        let reader = SharedReader::new(Busy(Deadline::after(Duration::ZERO)));
        let has_looked = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let end = |_: &mut u32| has_looked.load(SeqCst).then_some(());
                reader.wait(Deadline::after(Duration::MAX), end)
            });
            until(|| reader.cached(|count| *count > 0));
            let count = reader.current(|count| *count);
            has_looked.store(true, SeqCst);
            assert!(count < LAST);
        });
    }
}
