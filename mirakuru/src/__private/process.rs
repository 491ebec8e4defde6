//! What a test has of a process: a port to reserve, an end, and a story.

use std::any::Any;

use crate::error::Result;
use crate::executor::{Executor, Which};
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared};

/// A process of the test's own, which may have a fixed port.
pub trait Ported {
    fn fixed_port(&self) -> Option<u16>;
    /// Takes the lease on the fixed port ahead of the start.
    fn reserve(&self) -> Result<()>;
}

impl<R: Readiness> Ported for Executor<R> {
    fn fixed_port(&self) -> Option<u16> {
        self.port_to_reserve()
    }

    fn reserve(&self) -> Result<()> {
        Self::reserve(self)
    }
}

/// One process of a test.
pub trait Process {
    /// Its files stay, where whoever runs the tests wants those of failures.
    fn keep(&self);
    fn end(&self) -> Result<()>;
    /// Whether it runs, be it as a daemon.
    fn runs(&self) -> bool;
    /// What it printed and how it ended; `was_running` is of the moment at which the body ended.
    fn story(&self, was_running: bool) -> Option<String>;
}

impl<R: Readiness> Process for Executor<R> {
    fn keep(&self) {
        self.keep_after_failure();
    }

    fn end(&self) -> Result<()> {
        self.stop().map(drop)
    }

    fn runs(&self) -> bool {
        self.is_up()
    }

    fn story(&self, was_running: bool) -> Option<String> {
        self.story_of_the_test(was_running, None)
    }
}

/// A shared fixture: not the test's to stop.
#[derive(Debug)]
pub struct Lent<T: 'static> {
    fixture: &'static T,
    /// The service of it that the test found.
    found: Option<Which>,
}

impl<T: Fixture> Lent<T> {
    pub fn of(fixture: &'static T) -> Self {
        let found = fixture.which();
        Self { fixture, found }
    }
}

impl<R: Readiness> Process for Lent<Executor<R>> {
    fn keep(&self) {}

    fn end(&self) -> Result<()> {
        Ok(())
    }

    fn runs(&self) -> bool {
        self.fixture.is_up()
    }

    fn story(&self, was_running: bool) -> Option<String> {
        let anew = self.fixture.which() != self.found;
        let note = anew.then_some("it was started again while this test ran");
        self.fixture.story_of_the_test(was_running, note)
    }
}

/// A shared fixture that a test may have for itself.
pub trait Lockable {
    fn rank(&self) -> (&'static str, usize);
    /// The lock, until it is dropped.
    fn lock(&'static self) -> Result<Box<dyn Any + Send>>;
}

impl<T: Fixture + Sync> Lockable for Shared<T> {
    fn rank(&self) -> (&'static str, usize) {
        Self::rank(self)
    }

    fn lock(&'static self) -> Result<Box<dyn Any + Send>> {
        Ok(Box::new(self.take_lock()?))
    }
}

/// What a process has to offer to a test: a reference of the parameter's type.
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

/// An executor of the attribute: it queues for its port unless it says otherwise.
pub fn prepared<R: Readiness>(executor: Executor<R>) -> Executor<R> {
    if executor.on_conflict_unset() {
        executor.on_conflict(OnConflict::Wait)
    } else {
        executor
    }
}

/// Has `{name.port}` and its like stand for what this one has.
pub fn bound<R: Readiness, S: Readiness>(
    executor: Executor<R>,
    name: &str,
    earlier: &impl Given<Executor = Executor<S>>,
) -> Executor<R> {
    executor.with_binding(name, earlier.given())
}
