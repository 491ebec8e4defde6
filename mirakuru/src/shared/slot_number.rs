//! A small number for each test that is unique among the tests running now.
//!
//! Under nextest the number comes from an environment variable. Otherwise, a file lock reserves it.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;

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
    let (number, lock) = lowest_in(lock_directory)?;
    Ok((number, Some(lock)))
}

/// Takes the lowest free number of a directory, which `directory` makes if it is missing.
fn lowest_in(
    mut directory: impl FnMut() -> Result<PathBuf, String>,
) -> Result<(u32, FileLock), String> {
    let mut number = 0;
    loop {
        let path = directory()?.join(format!("slot-{number}"));
        match FileLock::try_take_passing(&path) {
            Ok(Some(lock)) => return Ok((number, lock)),
            Ok(None) => number += 1,
            // Another process removed the directory with its last lease. Try again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_removed_is_made_again() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("locks");
        let mut looks = 0;
        let taken = lowest_in(|| {
            looks += 1;
            // Another process removes the directory after the first look.
            if looks > 1 {
                std::fs::create_dir_all(&path).expect("own directory");
            }
            Ok(path.clone())
        });
        let (number, _lock) = taken.expect("the directory is there again");
        assert_eq!((number, looks), (0, 2));
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_reported() {
        let home = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(home.path().join("slot-0")).expect("own directory");
        let mut looks = 0;
        let taken = lowest_in(|| {
            looks += 1;
            assert_eq!(looks, 1, "a second look finds the same");
            Ok(home.path().to_owned())
        });
        let reported = taken.expect_err("a directory is no lock");
        assert!(reported.contains("slot-0: "), "{reported}");
    }
}
