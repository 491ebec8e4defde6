//! The functions that the attribute's expansion calls. They are not part of the public API.
//!
//! Every ending of a test has the same order. The body runs under `catch_unwind`. Then the processes stop, the last one
//! first. If the test failed, their output is shown from the test's own thread, so that the harness attributes it to
//! the test. Finally the panic resumes, or the value is returned.
//!
//! A step of the set-up that fails panics. In a test that should panic, it shows the error and returns `None`, and the
//! test function returns.

mod body;
mod process;
mod values;

use std::any::Any;
use std::panic::resume_unwind;
use std::thread;

pub use ::core;

/// The public API. The expansion finds it here even if the user's crate depends on this one by another name.
pub use crate as api;

pub use body::{ByCode, ByNothing, ByResult, Outcome, Verdict, catch, catch_async, never};
pub use process::{Given, Lent, Lockable, Part, Process, bound, prepared};
pub use values::{Time, duration, signal, text};

use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::executor::{self, Core, Executor};
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared};

/// A test with its processes.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// The path of the test's module, and the name of the test.
    pub path: (&'static str, &'static str),
    /// The panic that the test expects.
    pub panics: Panics,
    /// Whether the harness compares the value that the test returns. Then an `Err` may be right.
    pub judged: bool,
}

/// The panic that a test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    /// The test must not panic.
    Never,
    /// The test must panic, with any message.
    Always,
    /// The test must panic, with a message that contains this text.
    WithMessage(&'static str),
}

impl Test {
    /// Returns the executor of a test that should panic. A panic of the user's expression is not the expected panic.
    #[must_use]
    pub fn made<E>(&self, caught: Outcome<E>) -> Option<E> {
        self.settle(&[], caught.map(Ok))
    }

    /// Claims all fixed ports of the test at once and in a global order, so that no two tests wait for each other.
    #[must_use]
    #[track_caller]
    pub fn reserve(&self, processes: &[&dyn Process]) -> Option<()> {
        let cores: Vec<_> = parts_of(processes).map(|part| part.core).collect();
        let reserved = catch(|| executor::reserve(&cores));
        self.settle(&[], reserved)
    }

    /// Takes the wanted locks on shared fixtures, in a global order as well. The locks come after the ports, because a
    /// body that takes a lock already holds its ports.
    #[must_use]
    #[track_caller]
    pub fn lock<const N: usize>(
        &self,
        shared: impl FnOnce() -> [(&'static dyn Lockable, bool); N],
    ) -> Option<Vec<Box<dyn Any + Send>>> {
        let locks = catch(|| {
            let wanted = shared().into_iter().filter(|(_, wanted)| *wanted);
            let mut wanted: Vec<_> = wanted.map(|(shared, _)| shared.to_lock()).collect();
            wanted.sort_by_key(|(sharing, _)| sharing.rank());
            let locks = wanted.iter().map(|(sharing, cores)| sharing.lock(cores));
            locks.map(|lock| Ok(Box::new(lock?) as _)).collect()
        });
        self.settle(&[], locks)
    }

    /// Starts a process, and returns its executor.
    #[must_use]
    #[track_caller]
    pub fn start<R: Readiness>(
        &self,
        before: &[&dyn Process],
        executor: impl FnOnce() -> Executor<R>,
    ) -> Option<Executor<R>> {
        self.settle(before, catch(|| executor().started()))
    }

    /// Makes the executor of a process that starts later, together with other processes.
    #[must_use]
    #[track_caller]
    pub fn bind<R: Readiness>(
        &self,
        before: &[&dyn Process],
        executor: impl FnOnce() -> Executor<R>,
    ) -> Option<Executor<R>> {
        self.settle(before, catch(|| Ok(executor())))
    }

    /// Starts several processes at the same time.
    #[must_use]
    #[track_caller]
    pub fn start_all(&self, before: &[&dyn Process], processes: &[&dyn Process]) -> Option<()> {
        let cores: Vec<_> = parts_of(processes).map(|part| part.core).collect();
        let start = || executor::start_together(&cores, &Core::start);
        self.settle(before, catch(start))
    }

    /// Returns a shared fixture, which the first test to use it starts.
    #[must_use]
    #[track_caller]
    pub fn lend<T: Fixture>(
        &self,
        before: &[&dyn Process],
        shared: impl FnOnce() -> &'static Shared<T>,
    ) -> Option<Lent<T>> {
        self.settle(before, catch(|| shared().get().map(Lent::of)))
    }

    /// Creates the databases of the test, after all of its processes have started.
    #[must_use]
    #[track_caller]
    pub fn databases<D>(
        &self,
        processes: &[&dyn Process],
        databases: impl FnOnce() -> Result<D>,
    ) -> Option<D> {
        self.settle(processes, catch(databases))
    }

    /// Returns the value of a set-up step. If the step failed, the processes in `before` stop, as at every ending, and
    /// then the test fails. A test that should panic fails by returning: a panic before its body would pass as the
    /// expected one.
    #[track_caller]
    fn settle<T>(&self, before: &[&dyn Process], step: Outcome<Result<T>>) -> Option<T> {
        match step {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => self.fail(before, Ok(error.to_string())),
            Err(panic) => self.fail(before, Err(panic)),
        }
        None
    }

    #[track_caller]
    fn fail(&self, before: &[&dyn Process], why: Outcome<String>) {
        show(&self.stop(before, true));
        match why {
            Ok(error) if self.panics == Panics::Never => panic!("{error}"),
            Err(panic) if self.panics == Panics::Never => resume_unwind(panic),
            Ok(error) => show(&error),
            // The panic hook has printed the panic already.
            Err(_) => show(
                "the test panicked before its body began, and this is not the panic that it expects",
            ),
        }
    }

    /// Ends the test: stops its processes, and then returns its value or resumes its panic. If the test panicked as
    /// expected and a stop failed, the function returns `None`, and the missing panic makes the test fail.
    ///
    /// # Panics
    ///
    /// Panics with the body's own panic. Also panics with the error of a stop if the test passed otherwise.
    #[must_use]
    #[track_caller]
    pub fn end<T>(
        &self,
        processes: &[&dyn Process],
        caught: thread::Result<T>,
        is_failure: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let (value, panic) = match caught {
            Ok(value) => (Some(value), None),
            Err(panic) => (None, Some(panic)),
        };
        // If the harness compares the value, an `Err` may be right.
        let returned_failure = !self.judged && value.as_ref().is_some_and(is_failure);
        self.finish(processes, returned_failure, panic);
        value
    }

    #[track_caller]
    fn finish(
        &self,
        processes: &[&dyn Process],
        returned_failure: bool,
        panic: Option<Box<dyn Any + Send>>,
    ) {
        let should_panic = self.panics != Panics::Never;
        let failed = match &panic {
            None => should_panic || returned_failure,
            Some(panic) => !self.expects(panic),
        };
        let errors = self.stop(processes, failed);
        match panic {
            None if !errors.is_empty() && !should_panic && !failed => {
                panic!("the body of the test passed, but a stop after it failed:\n{errors}")
            }
            Some(panic) if failed || errors.is_empty() => {
                show(&errors);
                resume_unwind(panic)
            }
            _ => show(&errors),
        }
    }

    fn expects(&self, panic: &Box<dyn Any + Send>) -> bool {
        let message = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        match self.panics {
            Panics::Never => false,
            Panics::Always => true,
            Panics::WithMessage(expected) => {
                message.is_some_and(|message| message.contains(expected))
            }
        }
    }

    /// Stops all processes, and shows their output if the test failed. Returns the errors as one text.
    fn stop(&self, processes: &[&dyn Process], failed: bool) -> String {
        let parts: Vec<_> = parts_of(processes).collect();
        let were_running: Vec<_> = parts.iter().map(|part| part.core.is_up()).collect();
        if failed {
            let own = parts.iter().filter_map(Part::own);
            own.for_each(Core::keep_after_failure);
        }
        // The process that started last stops first.
        let stop = |part: &Part<'_>| part.own().and_then(|core| core.stop_after_test().err());
        let mut errors: Vec<_> = parts.iter().rev().map(stop).collect();
        if failed {
            let ended = parts.iter().zip(were_running).zip(errors.iter_mut().rev());
            let stories: Vec<_> = ended
                .filter_map(|((part, was_running), error)| {
                    // The exit of a process is reported once, with its output, and not again as an error.
                    let how =
                        |error: &mut Error| error.kind() == ErrorKind::ProcessFinishedWithError;
                    part.story(was_running, error.take_if(how))
                })
                .collect();
            if !stories.is_empty() {
                let (module, name) = self.path;
                show(&format!(
                    "the processes of the test {module}::{name}:\n{}",
                    stories.join("\n")
                ));
            }
        }
        let errors = errors.iter().flatten().map(Error::to_string);
        errors.collect::<Vec<_>>().join("\n")
    }
}

/// Marks unreachable code: in a test that should not panic, a step that fails has panicked.
///
/// # Panics
///
/// Always panics.
pub fn refused() -> ! {
    unreachable!("a failed step of this test panics")
}

fn show(text: &str) {
    if !text.is_empty() {
        events::print(text);
    }
}

fn parts_of<'a>(processes: &'a [&dyn Process]) -> impl Iterator<Item = Part<'a>> {
    processes.iter().flat_map(|process| process.parts())
}
