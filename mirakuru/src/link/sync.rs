//! The locks of [`reader`](super::reader). A unit test puts others in their place, which try every interleaving.

use std::sync::PoisonError;
use std::time::Duration;

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn wait_timeout<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    bound: Duration,
) -> MutexGuard<'a, T> {
    let waited = changed.wait_timeout(guard, bound);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
