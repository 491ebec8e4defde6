//! Fixtures that tests share: those of one process, or those of a whole run. Started by whichever test
//! comes first; stopped when the process or the run ends.

mod slot;

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Once, OnceLock};

pub use slot::slot;

use crate::environment;
use crate::error::{Error, Result};
use crate::events;
use crate::executor::Executor;
#[cfg(feature = "macros")]
use crate::executor::Which;
use crate::locks::FileLock;
use crate::locks::thread::{self, Turn};
use crate::readiness::Readiness;
use crate::run::{self, RunPlace, Scope};
use crate::wait::Deadline;

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
    scope: Scope,
    made: OnceLock<T>,
    place: OnceLock<Result<Arc<RunPlace>, String>>,
    in_use: Turn,
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
            scope,
            made: OnceLock::new(),
            place: OnceLock::new(),
            in_use: Turn::new(),
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
        if let Some(place) = self.place() {
            return fixture.join(place).map(|()| fixture);
        }
        fixture.start_again_if_dead().map(|()| fixture)
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
        let exclusive = self.take_lock()?;
        // Not before: who had it may have stopped it.
        let fixture = self.get()?;
        Ok(Guard {
            fixture,
            _exclusive: exclusive,
        })
    }

    /// The lock alone.
    pub(crate) fn take_lock(&self) -> Result<Exclusive<'_>> {
        let fixture = self.made();
        let queue = Deadline::after(environment::queue_bound());
        if let Some(why) = fixture.lock_is_out_of_place() {
            return Err(fixture.not_locked(why, queue));
        }
        let thread = self.in_use.take(queue);
        let thread = thread.map_err(|refusal| fixture.not_locked(refusal.why(), queue))?;
        let place = self.place();
        let process = place.map(|place| fixture.lock_file(&place.exclusive_use(), queue));
        let process = process.transpose()?;
        Ok(Exclusive {
            _process: process,
            _thread: thread,
        })
    }

    /// In which order the locks of several are taken, so that no two tests wait for each other: the same
    /// in every process for those of a run.
    #[cfg(feature = "macros")]
    pub(crate) fn rank(&self) -> (&'static str, usize) {
        match self.scope {
            Scope::Process => ("", std::ptr::from_ref(self).addr()),
            Scope::Run(name) => (name, 0),
        }
    }

    /// # Panics
    ///
    /// Where what makes it asks for it, which would be a wait for itself.
    fn made(&self) -> &T {
        thread_local! {
            static BEING_MADE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        }
        if let Some(made) = self.made.get() {
            return made;
        }
        let own = std::ptr::from_ref(self).addr();
        let asks_for_itself = BEING_MADE.with_borrow(|all| all.contains(&own));
        assert!(
            !asks_for_itself,
            "the closure that makes a shared fixture asks for that very fixture"
        );
        self.made.get_or_init(|| {
            BEING_MADE.with_borrow_mut(|all| all.push(own));
            let made = catch_unwind(self.make);
            BEING_MADE.with_borrow_mut(Vec::pop);
            let made = made.unwrap_or_else(|panic| resume_unwind(panic));
            made.become_fixture(self.scope);
            made
        })
    }

    /// Where the run has it; `None` for a fixture of the process, and where the runner is not known.
    fn place(&self) -> Option<&Arc<RunPlace>> {
        let Scope::Run(name) = self.scope else {
            return None;
        };
        let find = || {
            let runner = run::find()?;
            RunPlace::of(runner, name).map(Arc::new)
        };
        match self.place.get_or_init(find) {
            Ok(place) => Some(place),
            Err(why) => {
                tell_once(name, why);
                None
            }
        }
    }
}

/// One line for a process, whatever number of fixtures it has. Past the harness, which shows nobody what a
/// passing test says: the tests do pass, with a service for each process, and slowly.
fn tell_once(name: &str, why: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        events::say_past_the_harness(&format!(
            "mirakuru: {name:?} is shared by this process alone, not by the run: {why}"
        ));
    });
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

/// The lock on a fixture, among threads and among processes.
pub(crate) struct Exclusive<'a> {
    // In this order: the next thread finds the file's lock free.
    _process: Option<FileLock>,
    _thread: thread::Held<'a>,
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
    reason = "sealed: nobody else can call or implement it"
)]
mod sealed {
    use std::path::Path;
    use std::sync::Arc;

    use crate::error::{Error, Result};
    #[cfg(feature = "macros")]
    use crate::executor::Which;
    use crate::locks::FileLock;
    use crate::run::{RunPlace, Scope};
    use crate::wait::Deadline;

    pub trait Sealed {
        fn become_fixture(&self, scope: Scope);
        fn start_again_if_dead(&self) -> Result<()>;
        fn join(&self, place: &Arc<RunPlace>) -> Result<()>;
        fn lock_file(&self, path: &Path, queue: Deadline) -> Result<FileLock>;
        fn lock_is_out_of_place(&self) -> Option<&'static str>;
        fn not_locked(&self, why: &str, queue: Deadline) -> Error;
        #[cfg(feature = "macros")]
        fn which(&self) -> Option<Which>;
    }
}

#[allow(
    private_interfaces,
    reason = "sealed: nobody else can call or implement it"
)]
impl<R: Readiness> sealed::Sealed for Executor<R> {
    // The executor's own methods of these names.

    fn become_fixture(&self, scope: Scope) {
        Self::become_fixture(self, scope);
    }

    fn start_again_if_dead(&self) -> Result<()> {
        Self::start_again_if_dead(self)
    }

    fn join(&self, place: &Arc<RunPlace>) -> Result<()> {
        Self::join(self, place)
    }

    fn lock_file(&self, path: &Path, queue: Deadline) -> Result<FileLock> {
        Self::lock_file(self, path, queue)
    }

    fn lock_is_out_of_place(&self) -> Option<&'static str> {
        Self::lock_is_out_of_place(self)
    }

    fn not_locked(&self, why: &str, queue: Deadline) -> Error {
        Self::not_locked(self, why, queue)
    }

    #[cfg(feature = "macros")]
    fn which(&self) -> Option<Which> {
        Self::which(self)
    }
}

impl<R: Readiness> Fixture for Executor<R> {}
