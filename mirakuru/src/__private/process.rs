//! What a test has of a process: a port to reserve, an end, and a story.

use crate::error::Error;
use crate::executor::{Core, Executor, Moment};
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared, Sharing};

/// One process of a test: its own executor, or a shared fixture that is lent to it.
pub trait Process {
    fn parts(&self) -> Vec<Part<'_>>;
}

/// The part that a process has in a test.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub(super) core: &'a Core,
    /// The test does not stop what is lent to it.
    is_lent: bool,
    /// What is lent, as the test found it.
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
    /// The executor that the test stops.
    pub(super) fn own(&self) -> Option<&Core> {
        self.core.unless_forked().filter(|_| !self.is_lent)
    }

    /// What the process printed, since the test began, and how it ended. `was_running` is of the moment at which
    /// the body ended, and `error` came of its stop.
    pub(super) fn story(&self, was_running: bool, error: Option<Error>) -> Option<String> {
        let whole = self.core.moment().map(Moment::of_its_start);
        let found = if self.is_lent {
            self.found
        } else {
            whole.as_ref()
        };
        self.core.story_of_the_test(was_running, found, error)
    }
}

/// A shared fixture, which the test does not stop.
#[derive(Debug)]
pub struct Lent<T: 'static> {
    fixture: &'static T,
    /// The services as the test found them.
    found: Vec<Option<Moment>>,
}

impl<T: Fixture> Lent<T> {
    pub fn of(fixture: &'static T) -> Self {
        let cores = fixture.cores().into_iter();
        let found = cores.map(Core::moment).collect();
        Self { fixture, found }
    }
}

/// A shared fixture that a test may have for itself.
pub trait Lockable {
    /// Makes the fixture, and returns it with the locks to take.
    #[expect(private_interfaces, reason = "an expansion never calls it")]
    fn to_lock(&'static self) -> (&'static Sharing, Vec<&'static Core>);
}

impl<T: Fixture + Sync> Lockable for Shared<T> {
    #[expect(private_interfaces, reason = "an expansion never calls it")]
    fn to_lock(&'static self) -> (&'static Sharing, Vec<&'static Core>) {
        (&self.sharing, self.made().cores())
    }
}

/// A process as a test sees it: a reference of the parameter's type.
pub trait Given {
    type Executor;
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

/// An executor of the attribute: it queues for its port unless the user set another policy.
pub fn prepared<R: Readiness>(mut executor: Executor<R>) -> Executor<R> {
    executor.core_mut().set_default_policy(OnConflict::Wait);
    executor
}

/// Gives `{name.port}` and its like the values of another process.
///
/// # Panics
///
/// Panics if the other process has no such port, or no supervisor starts for it.
#[track_caller]
pub fn bound<R: Readiness, S: Readiness>(
    executor: Executor<R>,
    name: &str,
    earlier: &impl Given<Executor = Executor<S>>,
) -> Executor<R> {
    if let Err(error) = executor.core().bind(name, earlier.given().core()) {
        // Not in a closure: the panic names the place of the attribute.
        panic!("{error}");
    }
    executor
}
