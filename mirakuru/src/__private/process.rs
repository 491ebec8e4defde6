//! What a test has of a process: to reserve, to end, and to tell of.

use crate::error::Result;
use crate::executor::Executor;
use crate::port::OnConflict;
use crate::readiness::Readiness;

/// One process of a test.
pub trait Process {
    fn fixed_port(&self) -> Option<u16>;
    /// Takes the lease on the fixed port ahead of the start.
    fn reserve(&self) -> Result<()>;
    /// Its files stay, where whoever runs the tests wants those of failures.
    fn keep(&self);
    fn end(&self) -> Result<()>;
    /// Whether it runs, be it as a daemon.
    fn runs(&self) -> bool;
    /// What it printed and how it ended; `was_running` is of the moment at which the body ended.
    fn story(&self, was_running: bool) -> Option<String>;
}

impl<R: Readiness> Process for Executor<R> {
    fn fixed_port(&self) -> Option<u16> {
        self.port_to_reserve()
    }

    fn reserve(&self) -> Result<()> {
        Self::reserve(self)
    }

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
        self.story_of_the_test(was_running)
    }
}

/// A shared fixture: not the test's to stop.
#[derive(Debug)]
pub struct Lent<'a, T>(pub &'a T);

impl<R: Readiness> Process for Lent<'_, Executor<R>> {
    fn fixed_port(&self) -> Option<u16> {
        None
    }

    fn reserve(&self) -> Result<()> {
        Ok(())
    }

    fn keep(&self) {}

    fn end(&self) -> Result<()> {
        Ok(())
    }

    fn runs(&self) -> bool {
        self.0.is_up()
    }

    fn story(&self, was_running: bool) -> Option<String> {
        self.0.story_of_the_test(was_running)
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

impl<T> Given for Lent<'_, T> {
    type Executor = T;

    fn given(&self) -> &T {
        self.0
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
