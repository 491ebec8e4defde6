//! What a test has of a process: a port to reserve, an end, and a story.

use std::any::Any;

use crate::error::Result;
use crate::executor::{Core, Executor, ServiceId};
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared, Sharing};

/// One process of a test: its own executor, or a shared fixture that is lent to it.
pub trait Process {
    fn part(&self) -> Part<'_>;
}

/// The part that a process has in a test.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    core: &'a Core,
    whose: Whose<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Whose<'a> {
    Own,
    /// Lent, with the service that the test found. The test does not stop it.
    Lent(Option<&'a ServiceId>),
}

impl<R: Readiness> Process for Executor<R> {
    fn part(&self) -> Part<'_> {
        Part {
            core: self.core(),
            whose: Whose::Own,
        }
    }
}

impl<T: Fixture> Process for Lent<T> {
    fn part(&self) -> Part<'_> {
        Part {
            core: self.fixture.core(),
            whose: Whose::Lent(self.found.as_ref()),
        }
    }
}

impl Part<'_> {
    /// The fixed port that the test takes together with others.
    pub(super) fn fixed_port(&self) -> Option<u16> {
        self.core.port_to_reserve()
    }

    /// Takes the lease on the fixed port long before the start.
    pub(super) fn reserve(&self) -> Result<()> {
        self.core.unless_forked().map_or(Ok(()), Core::reserve)
    }

    fn own(&self) -> Option<&Core> {
        let own = matches!(self.whose, Whose::Own).then_some(self.core);
        own.and_then(Core::unless_forked)
    }

    /// Keeps the files of a test that failed, if the user wants them.
    pub(super) fn keep(&self) {
        if let Some(core) = self.own() {
            core.keep_after_failure();
        }
    }

    pub(super) fn end(&self) -> Result<()> {
        self.own().map_or(Ok(()), Core::stop)
    }

    /// Returns whether the process runs, perhaps as a daemon.
    pub(super) fn runs(&self) -> bool {
        self.core.is_up()
    }

    /// What the process printed and how it ended. `was_running` is of the moment at which the body ended.
    pub(super) fn story(&self, was_running: bool) -> Option<String> {
        let restarted = match self.whose {
            Whose::Own => false,
            Whose::Lent(found) => self.core.service_id().as_ref() != found,
        };
        let note = restarted.then_some("it was started again while this test ran");
        self.core.drain();
        self.core.story_of_the_test(was_running, note)
    }
}

/// A shared fixture, which the test does not stop.
#[derive(Debug)]
pub struct Lent<T: 'static> {
    fixture: &'static T,
    /// The service that the test found.
    found: Option<ServiceId>,
}

impl<T: Fixture> Lent<T> {
    pub fn of(fixture: &'static T) -> Self {
        let found = fixture.core().service_id();
        Self { fixture, found }
    }
}

/// A shared fixture that a test may have for itself.
pub trait Lockable {
    fn to_lock(&'static self) -> ToLock;
}

/// A fixture with the lock to take.
#[expect(missing_debug_implementations, reason = "an expansion never names it")]
#[derive(Clone, Copy)]
pub struct ToLock {
    sharing: &'static Sharing,
    core: &'static Core,
}

impl<T: Fixture + Sync> Lockable for Shared<T> {
    fn to_lock(&'static self) -> ToLock {
        ToLock {
            sharing: self.sharing(),
            core: self.made().core(),
        }
    }
}

impl ToLock {
    pub(super) fn rank(&self) -> (&'static str, usize) {
        self.sharing.rank()
    }

    /// Takes the lock until the value is dropped.
    pub(super) fn lock(&self) -> Result<Box<dyn Any + Send>> {
        Ok(Box::new(self.sharing.lock(self.core)?))
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

/// Gives `{name.port}` and its like the values of this earlier process.
pub fn bound<R: Readiness, S: Readiness>(
    mut executor: Executor<R>,
    name: &str,
    earlier: &impl Given<Executor = Executor<S>>,
) -> Executor<R> {
    executor.core_mut().bind(name, earlier.given().core());
    executor
}
