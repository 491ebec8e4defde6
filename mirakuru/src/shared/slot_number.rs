//! A small number for each test that is unique among the tests running now.
//!
//! Under nextest the number comes from an environment variable. Otherwise, a file lock reserves it.

use std::cell::RefCell;
use std::io;

use crate::locks::{FileLock, lock_directory};
use crate::run::{self, Kind};

thread_local! {
    /// The number, and the lock that reserves it unless nextest assigned it.
    static SLOT: RefCell<Option<(u32, Option<FileLock>)>> = const { RefCell::new(None) };
}

/// Releases the slot of the thread that ends the process. Not every C library drops the thread's variables then (musl).
#[dtor::dtor(unsafe)]
fn at_exit() {
    let slot = SLOT.try_with(|slot| slot.try_borrow_mut().ok()?.take());
    drop(slot);
}

/// Returns a small number, starting at 0, that is unique among the tests running now.
///
/// Use it for a database number of Redis, a schema, or a prefix of topics on a server that tests share.
///
/// Under nextest, it is the slot that nextest assigns to the test, unique in the run (`NEXTEST_TEST_GLOBAL_SLOT`; see
/// "Environment variables" in the documentation of nextest). Otherwise, it is unique among the tests of this user on
/// this machine. It belongs to the calling thread until the thread ends, which for a test is the end of the test. Later
/// calls in the same thread return the same number.
///
/// ```
/// assert_eq!(mirakuru::slot(), mirakuru::slot());
/// ```
///
/// # Panics
///
/// Panics if the temporary directory cannot contain a lock file.
#[must_use]
pub fn slot() -> u32 {
    let take = || take().unwrap_or_else(|why| panic!("cannot take a slot: {why}"));
    SLOT.with_borrow_mut(|slot| slot.get_or_insert_with(take).0)
}

/// Returns the slot that nextest assigned to this test.
fn of_nextest() -> Option<u32> {
    let number = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok()?;
    let runner = run::find().ok()?;
    // The variable counts only if nextest is the runner. If a test under nextest starts cargo, all tests of that cargo
    // inherit the variable.
    (runner.kind == Kind::Nextest).then(|| number.parse().ok())?
}

/// Takes the lowest free number, with its lock.
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
            // Another process removed the directory with its last lease. Try again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
}
