//! A lock among the threads of one process. It refuses the thread that holds it already, and ends a wait
//! at a deadline.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::fork::Owner;
use crate::wait::Deadline;

/// A lock that a thread holds by a [`TurnGuard`].
#[derive(Default)]
pub(crate) struct ThreadLock {
    holder: Mutex<Option<ThreadId>>,
    given_back: Condvar,
}

/// Why a thread does not get the lock.
pub(crate) enum Refusal {
    /// This thread holds it, and would wait for itself.
    Own,
    Overdue,
}

impl Refusal {
    /// Returns the reason for the error "cannot be locked".
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::Own => "this thread has the lock already, and would wait for itself",
            Self::Overdue => "another thread has had the lock all the time",
        }
    }
}

/// Holds the lock until it is dropped.
pub(crate) struct TurnGuard<'a> {
    lock: &'a ThreadLock,
    /// A forked child gives nothing back: another thread may have held the mutex at the fork.
    owner: Owner,
}

impl ThreadLock {
    pub(crate) const fn new() -> Self {
        Self {
            holder: Mutex::new(None),
            given_back: Condvar::new(),
        }
    }

    pub(crate) fn take(&self, deadline: Deadline) -> Result<TurnGuard<'_>, Refusal> {
        let own = thread::current().id();
        let mut holder = self.holder();
        while let Some(other) = *holder {
            if other == own {
                return Err(Refusal::Own);
            }
            if deadline.has_passed() {
                return Err(Refusal::Overdue);
            }
            let waited = self.given_back.wait_timeout(holder, deadline.remaining());
            (holder, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *holder = Some(own);
        Ok(TurnGuard {
            lock: self,
            owner: Owner::this_process(),
        })
    }

    /// Returns whether this thread holds the lock.
    pub(crate) fn is_own(&self) -> bool {
        *self.holder() == Some(thread::current().id())
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.holder().is_some()
    }

    fn holder(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        if self.owner.is_this_process() {
            *self.lock.holder() = None;
            self.lock.given_back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_has_it_alone_until_the_guard_is_dropped() {
        let lock = ThreadLock::new();
        assert!(!lock.is_taken() && !lock.is_own());
        let Ok(guard) = lock.take(Deadline::after(Duration::ZERO)) else {
            panic!("no thread has it");
        };
        assert!(lock.is_taken() && lock.is_own());
        let again = lock.take(Deadline::after(Duration::ZERO)).err();
        let why = again.expect("this thread has it").why();
        assert!(why.contains("would wait for itself"), "{why}");
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(!lock.is_own());
                let late = lock.take(Deadline::after(Duration::from_millis(1))).err();
                late.expect("another thread has it").why()
            });
            let why = other.join().expect("no panic");
            assert!(why.contains("another thread has had the lock"), "{why}");
            let waits = scope.spawn(|| lock.take(Deadline::after(Duration::from_secs(20))).is_ok());
            drop(guard);
            assert!(waits.join().expect("no panic"));
        });
        assert!(!lock.is_taken());
    }
}
