//! The view that a test has of its processes: their ports, their stops and their output.

use crate::error::Error;
use crate::executor::{Core, Executor, Moment};
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared, Sharing};

/// A process of a test: its own executor, or a shared fixture that is lent to it.
pub trait Process {
    /// Returns the executors of the process. A shared fixture may have several.
    fn parts(&self) -> Vec<Part<'_>>;
}

/// An executor of a test.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub(super) core: &'a Core,
    /// Whether the executor is lent. The test does not stop a lent executor.
    is_lent: bool,
    /// The state of a lent executor when the test began.
    found: Option<&'a Moment>,
}

impl<R: Readiness> Process for Executor<R> {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part {
            core: self.core(),
            is_lent: false,
            found: None,
        }]
    }
}

impl<T: Fixture> Process for Lent<T> {
    fn parts(&self) -> Vec<Part<'_>> {
        let cores = self.fixture.cores().into_iter();
        let parts = cores.zip(&self.found).map(|(core, found)| Part {
            core,
            is_lent: true,
            found: found.as_ref(),
        });
        parts.collect()
    }
}

impl Part<'_> {
    /// Returns the executor if the test stops it.
    pub(super) fn own(&self) -> Option<&Core> {
        self.core.unless_forked().filter(|_| !self.is_lent)
    }

    /// Returns the output of the process since the test began, and its ending. `was_running` is its state when the body
    /// ended, and `error` is the error of its stop.
    pub(super) fn story(&self, was_running: bool, error: Option<Error>) -> Option<String> {
        let whole = self.core.moment().map(Moment::of_its_start);
        let found = if self.is_lent {
            self.found
        } else {
            whole.as_ref()
        };
        self.core.summary_of_the_test(was_running, found, error)
    }
}

/// A shared fixture, which the test does not stop.
#[derive(Debug)]
pub struct Lent<T: 'static> {
    fixture: &'static T,
    /// The state of each service when the test began.
    found: Vec<Option<Moment>>,
}

impl<T: Fixture> Lent<T> {
    pub fn of(fixture: &'static T) -> Self {
        let cores = fixture.cores().into_iter();
        let found = cores.map(Core::moment).collect();
        Self { fixture, found }
    }
}

/// A shared fixture that a test can lock.
pub trait Lockable {
    /// Makes the fixture, and returns its lock and its executors.
    #[expect(private_interfaces, reason = "an expansion never calls it")]
    fn to_lock(&'static self) -> (&'static Sharing, Vec<&'static Core>);
}

impl<T: Fixture + Sync> Lockable for Shared<T> {
    #[expect(private_interfaces, reason = "an expansion never calls it")]
    fn to_lock(&'static self) -> (&'static Sharing, Vec<&'static Core>) {
        (&self.sharing, self.made().cores())
    }
}

/// A process as the body of a test receives it: a reference of the parameter's type.
pub trait Given {
    type Executor;

    /// Returns the reference.
    fn given(&self) -> &Self::Executor;
}

impl<R: Readiness> Given for Executor<R> {
    type Executor = Self;

    fn given(&self) -> &Self {
        self
    }
}

impl<T> Given for Lent<T> {
    type Executor = T;

    fn given(&self) -> &T {
        self.fixture
    }
}

/// Makes an executor queue for its fixed port, unless the user has set another policy.
pub fn prepared<R: Readiness>(mut executor: Executor<R>) -> Executor<R> {
    executor.core_mut().set_default_policy(OnConflict::Wait);
    executor
}

/// Fills `{name.port}` and the similar placeholders with the values of another process.
///
/// # Panics
///
/// Panics if the other process lacks the port, or if its supervisor cannot be started.
#[track_caller]
pub fn bound<R: Readiness, S: Readiness>(
    executor: Executor<R>,
    name: &str,
    earlier: &impl Given<Executor = Executor<S>>,
) -> Executor<R> {
    if let Err(error) = executor.core().bind(name, earlier.given().core()) {
        // A closure would hide the caller: the panic must name the line of the attribute.
        panic!("{error}");
    }
    executor
}
