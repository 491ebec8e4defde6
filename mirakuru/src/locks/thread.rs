//! Exclusive use among the threads of one process, which ends for who asks twice, and for who waits
//! too long.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::wait::Deadline;

/// Who has it, if anybody.
#[derive(Default)]
pub(crate) struct Turn {
    holder: Mutex<Option<ThreadId>>,
    given_back: Condvar,
}

/// Why it cannot be had.
pub(crate) enum Refusal {
    /// This thread has it, and would wait for itself.
    Own,
    Overdue,
}

impl Refusal {
    /// Fits behind "cannot be locked".
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Self::Own => "this thread has the lock already, and would wait for itself",
            Self::Overdue => "another thread has had the lock all the time",
        }
    }
}

/// Held; dropping it lets the next thread in.
pub(crate) struct Held<'a> {
    turn: &'a Turn,
    /// A forked child has no part in it, and the mutex may have been held at the fork.
    process: u32,
}

impl Turn {
    pub(crate) const fn new() -> Self {
        Self {
            holder: Mutex::new(None),
            given_back: Condvar::new(),
        }
    }

    pub(crate) fn take(&self, deadline: Deadline) -> Result<Held<'_>, Refusal> {
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
        Ok(Held {
            turn: self,
            process: std::process::id(),
        })
    }

    /// Whether this thread has it.
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

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            *self.turn.holder() = None;
            self.turn.given_back.notify_one();
        }
    }
}
