//! Handles forked children of the test process, which have copies of its values and of its locks.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// The process that made a value. A forked child has a copy of the value and must not act on it.
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

/// Returns the value of a static, which the first call makes.
///
/// No lock is held while the value is made: a forked child would wait for ever for a thread that the child does not
/// have.
pub(crate) fn get_or_make<T>(place: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    place.get().unwrap_or_else(|| {
        let value = make();
        place.get_or_init(|| value)
    })
}

/// Takes the lock, or returns `None` if a thread that may never release the lock holds it.
///
/// In a forked child, this is a thread that held the lock at the fork and does not exist in the child. At an exit, it
/// is a thread that was stopped.
pub(crate) fn lock_unless_lost<T>(
    mutex: &Mutex<T>,
    may_be_lost: bool,
) -> Option<MutexGuard<'_, T>> {
    if !may_be_lost {
        return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    match mutex.try_lock() {
        Ok(locked) => Some(locked),
        Err(TryLockError::Poisoned(locked)) => Some(locked.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_process_is_recognised() {
        assert!(Owner::this_process().is_this_process());
        assert!(!Owner(std::process::id() + 1).is_this_process());
    }

    #[test]
    fn a_lock_that_may_be_lost_is_not_waited_for() {
        let mutex = Mutex::new(());
        let held = lock_unless_lost(&mutex, true).expect("no thread has it");
        assert!(lock_unless_lost(&mutex, true).is_none());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lock_unless_lost(&mutex, false).is_some());
            drop(held);
            assert!(waits.join().expect("no panic"));
        });
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _held = lock_unless_lost(&mutex, false);
                std::panic::resume_unwind(Box::new(()));
            });
            panics.join().expect_err("a panic");
        });
        assert!(mutex.is_poisoned() && lock_unless_lost(&mutex, true).is_some());
    }
}
