//! The locks of [`reader`](super::reader) and [`live`](super::live). A unit test replaces them with locks that try
//! every interleaving.

use std::sync::PoisonError;
use std::time::Duration;

pub(super) use std::sync::atomic::Ordering::SeqCst;
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};

use crate::locks::lock_unless_lost;

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

/// Takes the lock, unless another thread has it, which the exit may have stopped for ever.
pub(super) fn lock_at_exit<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    lock_unless_lost(mutex, true)
}

/// Lets other threads go on.
pub(super) fn pause() {
    crate::wait::pause(Duration::from_micros(100));
}
