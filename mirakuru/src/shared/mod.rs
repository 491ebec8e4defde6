//! Fixtures that the tests of a process, or of a whole run, share.
//!
//! The first test that uses a fixture starts it. It stops when the process or the run ends.

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

/// An executor in a static, which all tests of a process or of a run share.
///
/// A `Shared` dereferences to its executor, as a [`LazyLock`](std::sync::LazyLock) does to its value. But each
/// dereference also checks that the service is running. So it can block, start a process, and panic if the start fails.
/// Use [`get`](Self::get) to handle the error instead.
///
/// The first test that uses the fixture starts it. The service outlives the thread of that test, and stops when the
/// process ends, even if the process is killed. Rust drops no statics, so this does not depend on drop (see
/// [stopping](crate::guide::stopping#however-the-test-ends)). Under a runner that starts a process for each test,
/// [`new`](Self::new) makes one fixture for each test, and [`per_run`](Self::per_run) one for all tests.
///
/// ```
/// use mirakuru::{OutputExecutor, Shared};
///
/// static DB: Shared<OutputExecutor> =
///     Shared::new(|| OutputExecutor::new("sh -c 'echo ready; exec sleep 60'", "ready"));
///
/// # fn main() -> mirakuru::Result<()> {
/// let db = DB.get()?; // starts the process
/// assert_eq!(db.output().text(), "ready\n");
/// assert_eq!(DB.get()?.pid(), db.pid()); // the same process
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
    ///
    /// ```
    /// use mirakuru::{Shared, SimpleExecutor};
    ///
    /// static WORKER: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// assert!(WORKER.get()?.running());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(make: fn() -> T) -> Self {
        Self::of(Scope::Process, make)
    }

    /// Creates a fixture of the run: one for all processes of a nextest run, or for all test binaries of one
    /// `cargo test`.
    ///
    /// It stops when the runner ends, whether the runner finishes, gets Ctrl-C or is killed. Two runs at the same time have one fixture
    /// each. Errors and logs show the name.
    ///
    /// The first test that uses the fixture starts it. Later tests connect to the same service. `stop`, `restart`,
    /// `stopped` and `kill` act on it for all tests. Any test may be the first, so the service does not inherit
    /// environment variables that differ from test to test (`NEXTEST*`, `CARGO_PKG_*` and similar variables). Tests of
    /// several packages also have different working directories: set a [`cwd`](Executor::cwd) for them.
    ///
    /// If the runner is not known (a test binary started from a shell or an IDE, `sudo`, no `/proc`), each process has
    /// a fixture of its own, and one line on standard error gives the reason. On Windows, the runner is known if it is
    /// the parent process of the test: `cargo-nextest` or `cargo`. On Unixes other than Linux and macOS, it is never
    /// known.
    ///
    /// ```no_run
    /// use mirakuru::{Shared, SimpleExecutor};
    ///
    /// static WORKER: Shared<SimpleExecutor> = Shared::per_run("worker", || SimpleExecutor::new("sleep 60"));
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// assert!(WORKER.get()?.running()); // in each test of the run
    /// # Ok(())
    /// # }
    /// ```
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

    /// Returns the running fixture. Starts it on first use, and again if it has died.
    ///
    /// Tests that call this at the same time wait for the same start.
    ///
    /// ```
    /// use mirakuru::{Shared, SimpleExecutor};
    ///
    /// static DB: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let db = DB.get()?;
    /// assert!(db.running());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`Executor::start`] does. The next test tries again, up to three times in all. Later tests fail at
    /// once, with a short error.
    ///
    /// # Panics
    ///
    /// Panics if the closure that makes the fixture panics, or uses this fixture itself.
    pub fn get(&self) -> Result<&T> {
        let fixture = self.made();
        self.sharing.ensure_up(&fixture.cores())?;
        Ok(fixture)
    }

    /// Locks the fixture, and returns a guard with the running fixture.
    ///
    /// Other tests that lock it, in threads and in processes, wait until the guard is dropped or its process has died.
    ///
    /// Tests that use `get`, or `shared = …` without `lock`, are not blocked. They see what the lock holder does to the
    /// service. If one test makes an outage, all tests of the fixture must lock it.
    ///
    /// ```
    /// use mirakuru::{Shared, SimpleExecutor};
    ///
    /// static DB: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let db = DB.lock()?;
    /// db.restart()?; // other tests that lock it wait
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`get`](Self::get) does. Fails with `Io` if this thread has the lock already, if the lock could not be
    /// acquired within ten minutes (`MIRAKURU_QUEUE_TIMEOUT`, in seconds), or if the lock file cannot be used.
    ///
    /// # Panics
    ///
    /// Panics as [`get`](Self::get) does.
    pub fn lock(&self) -> Result<Guard<'_, T>> {
        let fixture = self.made();
        let cores = fixture.cores();
        let exclusive = self.sharing.lock(&cores)?;
        // Start the fixture after taking the lock: the previous holder may have stopped it.
        self.sharing.ensure_up(&cores)?;
        Ok(Guard {
            fixture,
            _exclusive: exclusive,
        })
    }

    /// Returns the fixture, running or not. The first call makes it.
    ///
    /// # Panics
    ///
    /// Panics if the closure that makes the fixture uses the fixture itself.
    pub(crate) fn made(&self) -> &T {
        self.made.get().unwrap_or_else(|| {
            let _making = self.sharing.making();
            self.made.get_or_init(|| {
                let made = (self.make)();
                let cores = made.cores();
                assert!(
                    !cores.is_empty(),
                    "a shared fixture must contain at least one executor"
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

    /// Returns the running fixture, as [`get`](Shared::get) does.
    ///
    /// # Panics
    ///
    /// Panics with the error of [`get`](Shared::get) if it fails.
    #[track_caller]
    fn deref(&self) -> &T {
        // A closure would hide the caller's line from the panic.
        match self.get() {
            Ok(fixture) => fixture,
            Err(error) => panic!("{error}"),
        }
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
/// Drop releases the lock, and cannot fail. If drop does not run because the process was killed or called `exit`, the
/// kernel releases the lock with the process. After `mem::forget`, all other tests wait until then. Dropping a copy of
/// the guard in a forked child releases nothing.
#[must_use = "dropping the guard releases the lock: bind it to a variable"]
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

/// An executor, or an array, a `Vec` or a tuple of executors. [`Shared`] and [`start_all`] accept it.
pub trait Fixture: sealed::Sealed + 'static {}

#[allow(
    private_interfaces,
    reason = "sealed: no other crate can call or implement it"
)]
mod sealed {
    use crate::executor::Core;

    pub trait Sealed {
        /// Returns the executors, without the types of their checks.
        fn cores(&self) -> Vec<&Core>;
    }
}

/// Implements the traits for a type of fixture.
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
        #[allow(non_snake_case, reason = "each variable has the name of its type")]
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

/// Starts executors at the same time, and returns once all are ready. An executor that runs already stays as it is.
///
/// Use it for processes that wait for each other. Each may contain `{MEMBER.port}`, `{MEMBER.port:NAME}` and
/// `{MEMBER.addr}` of another executor whose [`name`](Executor::name) is `MEMBER`.
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
/// Fails as [`Executor::start`] does if one of the starts fails. Before it returns, all executors that this call has
/// started are stopped. The error contains every failure.
///
/// # Panics
///
/// Panics if a check of your own panics. All process trees are gone before it panics.
pub fn start_all<const N: usize>(fixtures: [&dyn Fixture; N]) -> Result<()> {
    start_all_of(&fixtures)
}

/// Starts executors at the same time, as [`start_all`] does, from a slice of any length.
///
/// ```
/// use mirakuru::{Fixture, SimpleExecutor, start_all_of};
///
/// # fn main() -> mirakuru::Result<()> {
/// let workers: Vec<_> = (0..2).map(|_| SimpleExecutor::new("sleep 60")).collect();
/// let all: Vec<&dyn Fixture> = workers.iter().map(|worker| worker as &dyn Fixture).collect();
/// start_all_of(&all)?;
/// assert!(workers.iter().all(|worker| worker.running()));
/// # Ok(())
/// # }
/// ```
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
