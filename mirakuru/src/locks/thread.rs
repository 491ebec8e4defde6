//! Implements a lock between the threads of one process.
//!
//! The lock refuses a thread that holds it already, and a wait for it ends at a deadline.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::fork::Owner;
use crate::wait::Deadline;

/// A lock that a thread holds through a [`TurnGuard`].
#[derive(Default)]
pub(crate) struct ThreadLock {
    holder: Mutex<Option<ThreadId>>,
    given_back: Condvar,
}

/// The reason why a thread did not get the lock.
pub(crate) enum Refusal {
    /// This thread holds the lock already, and would wait for itself.
    Own,
    Overdue,
}

impl Refusal {
    /// Returns the reason for the error "cannot be locked".
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::Own => "this thread holds the lock already, and would wait for itself",
            Self::Overdue => "another thread held the lock all the time",
        }
    }
}

/// A guard that holds the lock until it is dropped.
pub(crate) struct TurnGuard<'a> {
    lock: &'a ThreadLock,
    /// A forked child does not release the lock: another thread may have held the mutex at the fork.
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
    fn a_thread_holds_the_lock_until_its_guard_is_dropped() {
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
            assert!(why.contains("another thread held the lock"), "{why}");
            let waits = scope.spawn(|| lock.take(Deadline::after(Duration::from_secs(20))).is_ok());
            drop(guard);
            assert!(waits.join().expect("no panic"));
        });
        assert!(!lock.is_taken());
    }
}
