//! Fixtures that the tests of a process, or of a whole run, share. The first test that needs a fixture starts
//! it; it stops when the process or the run ends.

pub mod export;
mod sharing;
mod slot_number;

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

#[cfg(feature = "macros")]
pub(crate) use sharing::Sharing;
pub use slot_number::slot;

use crate::error::Result;
use crate::executor::{Core, Executor, introduce, start_together};
use crate::readiness::Readiness;
use crate::run::Scope;
use sharing::Exclusive;
#[cfg(not(feature = "macros"))]
use sharing::Sharing;

/// An executor in a static that all tests of the process, or of the run, share.
///
/// The first test that uses it starts it. It lives on after that test's thread has ended, and stops when the
/// process ends, however it ends (Rust drops no statics; see
/// [stopping](crate::guide::stopping#however-the-test-ends)). Under a runner that gives each test a process
/// of its own, [`new`](Self::new) makes one fixture for each test, and [`per_run`](Self::per_run) one for all.
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
    pub(crate) sharing: Sharing,
}

impl<T: Fixture> Shared<T> {
    /// Creates a fixture of the process. The first use calls `make`.
    pub const fn new(make: fn() -> T) -> Self {
        Self::of(Scope::Process, make)
    }

    /// Creates a fixture of the run: one for all processes of a nextest run, or for all test binaries of
    /// one `cargo test`. It stops when the runner ends: normally, by Ctrl-C, or killed. Two runs side by
    /// side have one each. Errors and logs show the name.
    ///
    /// The first test that asks starts the fixture, and the others connect to it. `stop`, `restart`,
    /// `stopped` and `kill` act on it for all tests. The service does not inherit environment variables that
    /// differ from test to test (`NEXTEST*`, `CARGO_PKG_*` and their like), because any test may be the first.
    /// Tests of several packages also differ in their directory: set a [`cwd`](Executor::cwd) for them.
    ///
    /// If the runner is not known (a test binary started from a shell or an IDE, `sudo`, no `/proc`), each
    /// process has a fixture of its own, and one line on standard error gives the reason. On Windows, the runner is known if
    /// it is the parent process of the test: `cargo-nextest` or `cargo`. On Unixes other than Linux and macOS, it is never known.
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

    /// Returns the fixture, and starts it if it is not running, also if it has died since. Tests that ask at
    /// the same time wait for the same start.
    ///
    /// # Errors
    ///
    /// Fails as [`Executor::start`] does. The next test tries again, up to three times in all. Later tests
    /// fail at once, with a short error.
    ///
    /// # Panics
    ///
    /// Panics if the closure that makes the fixture panics, or asks for this very fixture.
    pub fn get(&self) -> Result<&T> {
        let fixture = self.made();
        self.sharing.ensure_up(&fixture.cores())?;
        Ok(fixture)
    }

    /// Returns the running fixture for this test alone. Other tests that ask for the lock, in threads and in
    /// processes, wait until the guard is dropped or its process has died.
    ///
    /// The lock does not hold back tests that only [`get`](Self::get) the fixture, or have it lent by the
    /// attribute. They see what the holder does to it: if one test makes an outage, all tests of that fixture
    /// have to lock it.
    ///
    /// # Errors
    ///
    /// Fails as [`get`](Self::get) does, and with `Io` if this thread has the lock already, if another test
    /// keeps the lock for ten minutes (`MIRAKURU_QUEUE_TIMEOUT`, in seconds), or if the lock's file cannot be
    /// used.
    pub fn lock(&self) -> Result<Guard<'_, T>> {
        let fixture = self.made();
        let cores = fixture.cores();
        let exclusive = self.sharing.lock(&cores)?;
        // Started after the lock is taken: its former holder may have stopped the fixture.
        self.sharing.ensure_up(&cores)?;
        Ok(Guard {
            fixture,
            _exclusive: exclusive,
        })
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
                let cores = made.cores();
                assert!(
                    !cores.is_empty(),
                    "a fixture without an executor starts nothing"
                );
                for core in cores {
                    core.become_fixture(self.sharing.scope);
                }
                made
            })
        })
    }
}

impl<T: Fixture> Deref for Shared<T> {
    type Target = T;

    /// # Panics
    ///
    /// Panics with the error of [`get`](Shared::get), if there is one.
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

/// A guard that keeps a shared fixture for one test. [`Shared::lock`] returns it.
///
/// Drop lets the next test in, and cannot fail. If drop does not run because the process was killed or called
/// `exit`, the kernel gives the lock back with the process. A guard that was forgotten (`mem::forget`) keeps
/// all other tests out until then. A forked child's copy gives nothing back.
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

/// One or several executors: an executor, or an array, a `Vec` or a tuple of them. [`Shared`] and
/// [`start_all`] accept it.
pub trait Fixture: sealed::Sealed + 'static {}

#[allow(
    private_interfaces,
    reason = "sealed: no other crate can call or implement it"
)]
mod sealed {
    use crate::executor::Core;

    pub trait Sealed {
        fn cores(&self) -> Vec<&Core>;
    }
}

/// Implements the traits for a type of fixtures.
macro_rules! fixture {
    ([$($generics:tt)*] $type:ty, $self:ident => $cores:expr) => {
        #[allow(
            private_interfaces,
            reason = "sealed: no other crate can call or implement it"
        )]
        impl<$($generics)*> sealed::Sealed for $type {
            fn cores(&$self) -> Vec<&Core> {
                $cores
            }
        }

        impl<$($generics)*> Fixture for $type {}
    };
}

fixture!([R: Readiness] Executor<R>, self => vec![self.core()]);
fixture!([T: Fixture] Vec<T>, self => self.iter().flat_map(T::cores).collect());
fixture!([T: Fixture, const N: usize] [T; N], self => self.iter().flat_map(T::cores).collect());

/// Implements the traits for tuples.
macro_rules! tuples {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "a variable is called as its type")]
        const _: () = {
            fixture!([$($name: Fixture),*] ($($name,)*), self => {
                let ($($name,)*) = self;
                [$($name.cores()),*].concat()
            });
        };
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

/// Starts executors at the same time, and returns once all are ready. One that runs already stays as it is.
///
/// Use it for processes that wait for each other. Each may contain `{NAME.port}`, `{NAME.port:PORT}` and
/// `{NAME.addr}` of another that has this [`name`](Executor::name).
///
/// ```
/// use mirakuru::{SimpleExecutor, TcpExecutor, start_all};
///
/// # fn main() -> mirakuru::Result<()> {
/// # let server = |peer: &str| {
/// #     let script = "import http.server; http.server.test(port={port}, bind='127.0.0.1')";
/// #     TcpExecutor::new(["python3", "-c", script, peer], "127.0.0.1", 0)
/// # };
/// let first = server("{second.port}").name("first");
/// let second = server("{first.port}").name("second");
/// start_all([&first, &second])?;
/// assert!(first.running() && second.running());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Fails as [`Executor::start`] does, if one of them does. All that this call has started are stopped then, and
/// the error contains every failure.
///
/// # Panics
///
/// Panics if a check of your own panics. All process trees are gone by then.
pub fn start_all<const N: usize>(fixtures: [&dyn Fixture; N]) -> Result<()> {
    start_all_of(&fixtures)
}

/// Starts executors at the same time, as [`start_all`] does.
///
/// # Errors
///
/// Fails as [`start_all`] does.
///
/// # Panics
///
/// Panics as [`start_all`] does.
pub fn start_all_of(fixtures: &[&dyn Fixture]) -> Result<()> {
    let cores: Vec<_> = fixtures
        .iter()
        .flat_map(|fixture| fixture.cores())
        .collect();
    introduce(&cores)?;
    start_together(&cores, &Core::start)
}
