//! Fixtures that the tests of one process share: started by whichever test comes first, stopped by the
//! exit hook.

use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Result;
use crate::executor::Executor;
use crate::readiness::Readiness;

/// How often a start that failed is tried again, by the tests that come after.
const MOST_FAILURES: u32 = 3;

/// An executor for a static, shared by all tests of the process.
///
/// It is started on first use, by whichever test comes first, lives on after that test's thread has
/// ended, and is stopped when the process ends, however it ends (Rust drops no statics; see the
/// [crate's documentation](crate)). Under a runner that gives each test a process of its own, each
/// has its own.
///
/// ```
/// use mirakuru::{OutputExecutor, Shared};
///
/// static ECHO: Shared<OutputExecutor> =
///     Shared::new(|| OutputExecutor::new("sh -c 'echo ready; exec sleep 60'", "ready"));
///
/// # fn main() -> mirakuru::Result<()> {
/// assert!(ECHO.get()?.running());
/// assert_eq!(ECHO.output().text(), "ready\n"); // the same one
/// # Ok(())
/// # }
/// ```
pub struct Shared<T> {
    make: fn() -> T,
    made: OnceLock<T>,
    failures: Mutex<u32>,
}

impl<T: Fixture> Shared<T> {
    /// Describes the fixture; `make` is called on first use.
    pub const fn new(make: fn() -> T) -> Self {
        Self {
            make,
            made: OnceLock::new(),
            failures: Mutex::new(0),
        }
    }

    /// The fixture, running: started now where it is not, also where it died since. Tests that ask
    /// at once wait for the same start.
    ///
    /// # Errors
    ///
    /// Those of the start, told in full to the test that made it. The next test tries again, up to
    /// three times in all; later ones are told at once.
    pub fn get(&self) -> Result<&T> {
        let fixture = self.made.get_or_init(self.make);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if *failures >= MOST_FAILURES {
            return Err(fixture.given_up(*failures));
        }
        match fixture.keep_up() {
            Ok(()) => {
                *failures = 0;
                Ok(fixture)
            }
            Err(error) => {
                *failures += 1;
                Err(error)
            }
        }
    }
}

impl<T: Fixture> Deref for Shared<T> {
    type Target = T;

    /// # Panics
    ///
    /// With the error of [`get`](Shared::get), where there is one.
    fn deref(&self) -> &T {
        self.get().unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = self.made.get().is_some();
        f.debug_struct("Shared")
            .field("started", &started)
            .finish_non_exhaustive()
    }
}

/// What can be shared: every executor.
pub trait Fixture: sealed::Sealed + 'static {
    #[doc(hidden)]
    fn keep_up(&self) -> Result<()>;
    #[doc(hidden)]
    fn given_up(&self, failures: u32) -> crate::Error;
}

mod sealed {
    pub trait Sealed {}
    impl<R: crate::Readiness> Sealed for crate::Executor<R> {}
}

impl<R: Readiness> Fixture for Executor<R> {
    fn keep_up(&self) -> Result<()> {
        self.started_again_if_dead()
    }

    fn given_up(&self, failures: u32) -> crate::Error {
        self.not_tried_again(failures)
    }
}
