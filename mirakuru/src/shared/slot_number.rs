//! A small number that no other test running now has.

use std::cell::RefCell;
use std::io;

use crate::locks::{FileLock, lock_directory};
use crate::run::{self, Kind};

thread_local! {
    /// The number, with the lock on it where it is our own.
    static SLOT: RefCell<Option<(u32, Option<FileLock>)>> = const { RefCell::new(None) };
}

/// Gives the slot of the thread back that ends the process. Not every C library drops its variables then (musl).
#[dtor::dtor(unsafe)]
fn at_exit() {
    let slot = SLOT.try_with(|slot| slot.try_borrow_mut().ok()?.take());
    drop(slot);
}

/// A small number, from 0 on, that no other test has that runs now: for a Redis database, a schema, a
/// prefix of topics on a server that tests share.
///
/// Under nextest it is the run's own (`NEXTEST_TEST_GLOBAL_SLOT`; see nextest's "Environment variables"),
/// so unique in the run. Elsewhere no other test of this user on this machine has it, and it belongs to
/// the calling thread until that ends, as a test's thread does with its test. Asked again, the same
/// thread is told the same number.
///
/// ```
/// assert_eq!(mirakuru::slot(), mirakuru::slot());
/// ```
///
/// # Panics
///
/// If no lock can be made in the temporary directory.
#[must_use]
pub fn slot() -> u32 {
    let take = || take().unwrap_or_else(|why| panic!("no slot: {why}"));
    SLOT.with_borrow_mut(|slot| slot.get_or_insert_with(take).0)
}

/// Only where it is nextest that says so, and no leftover of its environment.
fn of_nextest() -> Option<u32> {
    let number = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok()?;
    let runner = run::find().ok()?;
    // A cargo that a test of nextest started passes the number on to all its tests.
    (runner.kind == Kind::Nextest).then(|| number.parse().ok())?
}

fn take() -> Result<(u32, Option<FileLock>), String> {
    if let Some(number) = of_nextest() {
        return Ok((number, None));
    }
    let mut number = 0;
    loop {
        let path = lock_directory()?.join(format!("slot-{number}"));
        match FileLock::try_take_passing(&path) {
            Ok(Some(lock)) => return Ok((number, Some(lock))),
            Ok(None) => number += 1,
            // The directory goes with the last lease.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
}
