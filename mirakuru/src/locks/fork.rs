//! Forked children of the test process: they have copies of its values and of its locks.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The process that made a value. A forked child has a copy of the value, and must not act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    pub(crate) fn this_process() -> Self {
        Self(std::process::id())
    }

    /// Returns `false` in a forked child of the process that made the value.
    pub(crate) fn is_this_process(self) -> bool {
        self == Self::this_process()
    }
}

/// Takes the lock. Returns `None` in a forked child if another thread of the parent held the lock at the
/// fork: the child has no such thread, so nothing there gives the lock back.
pub(crate) fn lock_unless_lost<T>(mutex: &Mutex<T>, in_a_fork: bool) -> Option<MutexGuard<'_, T>> {
    if !in_a_fork {
        return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    match mutex.try_lock() {
        Ok(locked) => Some(locked),
        Err(TryLockError::Poisoned(locked)) => Some(locked.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
