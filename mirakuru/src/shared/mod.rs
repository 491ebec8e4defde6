//! Fixtures that tests share: those of one process, or those of a whole run. Started by whichever test
//! comes first; stopped when the process or the run ends.

mod sharing;
mod slot;

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

#[cfg(feature = "macros")]
pub(crate) use sharing::Sharing;
pub use slot::slot;

use crate::error::Result;
use crate::executor::{Core, Executor};
use crate::readiness::Readiness;
use crate::run::Scope;
use sharing::Exclusive;
#[cfg(not(feature = "macros"))]
use sharing::Sharing;

/// An executor for a static, shared by all tests of the process, or of the run.
///
/// It is started on first use, by whichever test comes first, lives on after that test's thread has
/// ended, and is stopped when the process ends, however it ends (Rust drops no statics; see the
/// [crate's documentation](crate)). Under a runner that gives each test a process of its own, a
/// fixture of [`new`](Self::new) is one for each; one of [`per_run`](Self::per_run) is shared by all.
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
    sharing: Sharing,
}

impl<T: Fixture> Shared<T> {
    /// One for each process. `make` is called on first use.
    pub const fn new(make: fn() -> T) -> Self {
        Self::of(Scope::Process, make)
    }

    /// One for each run of the suite, by this name, which errors and logs tell too: for all processes of a nextest run, and for all
    /// test binaries of one `cargo test`. It is stopped when the runner ends: normally, by Ctrl-C, or
    /// killed. Two runs side by side have one each.
    ///
    /// The first test to ask starts it, the others come to it. `stop`, `restart`, `stopped` and `kill`
    /// act on it for everyone. It is started without the environment variables that differ from test
    /// to test (`NEXTEST*`, `CARGO_PKG_*` and their like), as it must not matter who came first. Tests
    /// of several packages differ in their directory too: give it a [`cwd`](Executor::cwd) then.
    ///
    /// Where the runner is not known (a test binary started from a shell or an IDE, `sudo`, no
    /// `/proc`) it is one for each process, and one line on standard error says why.
    pub const fn per_run(name: &'static str, make: fn() -> T) -> Self {
        Self::of(Scope::Run(name), make)
    }

    const fn of(scope: Scope, make: fn() -> T) -> Self {
        Self {
            make,
            made: OnceLock::new(),
            sharing: Sharing::new(scope),
        }
    }

    /// The fixture, running: started now where it is not, also where it died since. Tests that ask
    /// at once wait for the same start.
    ///
    /// # Errors
    ///
    /// Those of the start, told in full to the test that made it. The next test tries again, up to
    /// three times in all; later ones are told at once.
    ///
    /// # Panics
    ///
    /// Where the closure that makes it panics, or asks for this very fixture.
    pub fn get(&self) -> Result<&T> {
        let fixture = self.made();
        self.sharing.ensure_up(fixture.core())?;
        Ok(fixture)
    }

    /// The fixture for this test alone, until the guard is dropped: other tests that ask for the lock
    /// wait, in threads and in processes. A holder that dies gives it back. It is running then, also
    /// where the test before left it dead.
    ///
    /// Who only [`get`](Self::get)s it, or has it lent by the attribute, is not held back, and sees what the
    /// holder does to it: where one test makes an outage, all of that fixture have to lock it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); where this thread has the lock already; where it was not to be had within
    /// ten minutes (`MIRAKURU_QUEUE_TIMEOUT`, in seconds); and where the lock's file cannot be used.
    pub fn lock(&self) -> Result<Guard<'_, T>> {
        let fixture = self.made();
        let exclusive = self.sharing.lock(fixture.core())?;
        // Started after the lock is taken: its former holder may have stopped the fixture.
        self.sharing.ensure_up(fixture.core())?;
        Ok(Guard {
            fixture,
            _exclusive: exclusive,
        })
    }

    #[cfg(feature = "macros")]
    pub(crate) fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Returns the fixture, which the first call makes.
    ///
    /// # Panics
    ///
    /// Panics if the closure that makes the fixture asks for it.
    pub(crate) fn made(&self) -> &T {
        self.made.get().unwrap_or_else(|| {
            let _making = self.sharing.making();
            self.made.get_or_init(|| {
                let made = (self.make)();
                self.sharing.adopt(made.core());
                made
            })
        })
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

/// A shared fixture for one test alone; see [`Shared::lock`].
///
/// Dropping it lets the next one in; that cannot fail. Where drop does not run, as the process was killed
/// or left by `exit`, the kernel gives the lock back with the process; a guard that was forgotten
/// (`mem::forget`) keeps everybody else out until then. A forked child's copy gives nothing back.
#[must_use = "the next test is let in when this is dropped"]
pub struct Guard<'a, T> {
    fixture: &'a T,
    _exclusive: Exclusive<'a>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.fixture
    }
}

impl<T> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// What can be shared: every executor.
pub trait Fixture: sealed::Sealed + 'static {}

#[allow(
    private_interfaces,
    reason = "sealed: no other crate can call or implement it"
)]
mod sealed {
    use crate::executor::Core;

    pub trait Sealed {
        fn core(&self) -> &Core;
    }
}

#[allow(
    private_interfaces,
    reason = "sealed: no other crate can call or implement it"
)]
impl<R: Readiness> sealed::Sealed for Executor<R> {
    fn core(&self) -> &Core {
        self.core()
    }
}

impl<R: Readiness> Fixture for Executor<R> {}
