//! A source that any number of threads wait for, and that one of them reads for all.
//!
//! There is no reading thread. The first thread that waits reads the source for all; when it has what it wants,
//! the next one takes over. A wait therefore costs one wait at the source, and an idle reader nothing. A look
//! wants no more than what has arrived, but all of that: it waits for what the reader has in hand, or was woken
//! for.
//!
//! | phase | the thread that reads | a thread that wants something | a thread that looks |
//! |---|---|---|---|
//! | `Idle` | does not exist | becomes it | becomes it, and does not wait at the source |
//! | `Waiting` | waits at the source, without the lock | follows: waits until the state changes | follows if the source has news, else returns |
//! | `Taking` | takes the news, without the lock | follows | follows |
//!
//! The phase goes from `Idle` to `Waiting`, on to `Taking` if there is news, and back to `Idle`. At the step to
//! `Idle` all news is part of the state, `taken` has counted it, and every follower is woken: one of them becomes
//! the reader. A look that has followed returns once news was taken that the source had after the look began:
//! the first taking that begins after that, which is the second one if the look began in a taking.

use std::time::Duration;

use super::sync::{Condvar, Mutex, MutexGuard, lock, wait_timeout};
use crate::wait::Deadline;

/// How long a thread that looks follows before it looks again: no wait rests on one wake-up alone.
const LOOK: Duration = Duration::from_secs(1);
/// The same for a thread that waits.
const LONGEST: Duration = Duration::from_secs(30);

/// Where news comes from.
pub(super) trait Source {
    /// Why a wait ended.
    type Wakeup;
    type News;

    /// Waits for news, at most this long, and takes none of it.
    fn wait(&self, bound: Duration) -> Option<Self::Wakeup>;

    /// Takes all news that has arrived. One thread at a time calls it.
    fn take(&self, woken: Self::Wakeup) -> Self::News;
}

/// What the threads know.
pub(super) trait Known<N> {
    fn apply(&mut self, news: N);

    /// Nothing more will arrive.
    fn is_over(&self) -> bool;
}

/// What a thread that waits for a source does at this moment.
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
    /// How often news became known.
    taken: u64,
    /// Threads that follow the reader.
    followers: usize,
}

/// A source, and what is known from it.
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

    /// Uses what is known, without a look at the source.
    pub(super) fn cached<T>(&self, look: impl FnOnce(&mut K) -> T) -> T {
        look(&mut lock(&self.shared).known)
    }

    /// Uses what is known, unless another thread has the lock.
    pub(super) fn try_known<T>(&self, look: impl FnOnce(&mut K) -> T) -> Option<T> {
        let mut shared = self.shared.try_lock().ok()?;
        Some(look(&mut shared.known))
    }

    /// Uses what is known once all news that has arrived is part of it.
    pub(super) fn current<T>(&self, look: impl FnOnce(&mut K) -> T) -> T {
        self.wait(Deadline::after(Duration::ZERO), |_| None::<()>);
        self.cached(look)
    }

    /// Waits until `current` finds something in what is known, or does not find it in what has arrived at the
    /// deadline.
    pub(super) fn wait<T>(
        &self,
        deadline: Deadline,
        mut look: impl FnMut(&mut K) -> Option<T>,
    ) -> Option<T> {
        let mut shared = lock(&self.shared);
        let mut last = false;
        // The count at which all is known that had arrived at the deadline.
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
                // The taking that runs may have begun before the rest arrived.
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

    /// Waits this long for news, and adds it to what all threads know. Whether there was any.
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
            // Before the taking: a thread that looks finds the news at the source, or in hand.
            shared.phase = Phase::Taking;
            drop(shared);
            let news = self.source.take(woken);
            shared = lock(&self.shared);
            shared.known.apply(news);
            shared.taken += 1;
        }
        shared.phase = Phase::Idle;
        // Also wakes the thread that takes over the reading. The call costs even if no thread follows.
        if shared.followers > 0 {
            self.changed.notify_all();
        }
        (shared, has_news)
    }
}
