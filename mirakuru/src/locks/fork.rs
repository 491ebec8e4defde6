//! Locks in a forked child: one that a thread of the parent had at the fork is never given back there, as
//! there is no such thread.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The lock; in a forked child none where it is lost.
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
