//! The functions that the attribute's expansion calls. They are not part of the public API.
//!
//! One order for every ending of a test: the body runs under `catch_unwind`, then the processes stop,
//! the last one first; then, if the test failed, what they printed is shown from the test's own
//! thread, so that the harness attributes it; then the panic goes on, or the value is returned.
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

/// What the expansion names of the public API, whatever the crate is called.
pub use crate as api;

pub use body::{ByCode, ByNothing, ByResult, Outcome, Verdict, catch, catch_async, never};
pub use process::{Given, Lent, Lockable, Part, Process, bound, prepared};
pub use values::{Time, duration, signal, text};

use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::executor::{self, Core, Executor};
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared};

/// One test with its processes.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Its module's path and its name.
    pub path: (&'static str, &'static str),
    pub panics: Panics,
    /// Its harness compares what it returns: an `Err` may be right.
    pub judged: bool,
}

/// Whether the test should panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    Never,
    Always,
    /// With a message that holds this.
    Saying(&'static str),
}

impl Test {
    /// Returns the executor that was made in a test that should panic. A panic of the user's expression is
    /// not the expected one.
    #[must_use]
    pub fn made<E>(&self, caught: Outcome<E>) -> Option<E> {
        self.settle(&[], caught.map(Ok))
    }

    /// Takes all fixed ports together and in one order, so that no two tests wait for each other.
    #[must_use]
    #[track_caller]
    pub fn reserve(&self, processes: &[&dyn Process]) -> Option<()> {
        let cores: Vec<_> = parts_of(processes).map(|part| part.core).collect();
        let reserved = catch(|| executor::reserve(&cores));
        self.settle(&[], reserved)
    }

    /// Takes the locks on shared fixtures, where they are wanted, in one order too. Behind the ports: a
    /// body that takes a lock has them already.
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

    #[must_use]
    #[track_caller]
    pub fn start<R: Readiness>(
        &self,
        before: &[&dyn Process],
        executor: impl FnOnce() -> Executor<R>,
    ) -> Option<Executor<R>> {
        self.settle(before, catch(|| executor().started()))
    }

    /// Returns an executor that knows the others that start with it.
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

    #[must_use]
    #[track_caller]
    pub fn lend<T: Fixture>(
        &self,
        before: &[&dyn Process],
        shared: impl FnOnce() -> &'static Shared<T>,
    ) -> Option<Lent<T>> {
        self.settle(before, catch(|| shared().get().map(Lent::of)))
    }

    /// Makes the databases of the test, once all of its processes run.
    #[must_use]
    #[track_caller]
    pub fn databases<D>(
        &self,
        processes: &[&dyn Process],
        databases: impl FnOnce() -> Result<D>,
    ) -> Option<D> {
        self.settle(processes, catch(databases))
    }

    /// Returns the value of a step of the set-up. If the step failed, the processes before it stop first, as at
    /// every end, and then the test fails. A test that should panic fails by a return: a mistake before its
    /// body is not the expected panic.
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
            // The hook has shown the panic.
            Err(_) => show(
                "it panicked ahead of the test's body, which is not the panic that is waited for",
            ),
        }
    }

    /// Ends the test: returns its value, or resumes its panic. Returns `None` for a test that should panic and
    /// did, if a stop failed: without a panic the test fails.
    ///
    /// # Panics
    ///
    /// With the body's own panic, or with the error of a stop where the test passed otherwise.
    #[must_use]
    #[track_caller]
    pub fn end<T>(
        &self,
        processes: &[&dyn Process],
        caught: thread::Result<T>,
        says_so: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let (value, panic) = match caught {
            Ok(value) => (Some(value), None),
            Err(panic) => (None, Some(panic)),
        };
        // An `Err` that the harness compares may be the right one.
        let says_so = !self.judged && value.as_ref().is_some_and(says_so);
        self.finish(processes, says_so, panic);
        value
    }

    #[track_caller]
    fn finish(
        &self,
        processes: &[&dyn Process],
        says_so: bool,
        panic: Option<Box<dyn Any + Send>>,
    ) {
        let is_to_panic = self.panics != Panics::Never;
        let failed = match &panic {
            None => is_to_panic || says_so,
            Some(panic) => !self.expects(panic),
        };
        let errors = self.stop(processes, failed);
        match panic {
            None if !errors.is_empty() && !is_to_panic && !failed => {
                panic!("the body of the test passed, and a stop after it failed:\n{errors}")
            }
            Some(panic) if failed || errors.is_empty() => {
                show(&errors);
                resume_unwind(panic)
            }
            _ => show(&errors),
        }
    }

    fn expects(&self, panic: &Box<dyn Any + Send>) -> bool {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        match self.panics {
            Panics::Never => false,
            Panics::Always => true,
            Panics::Saying(expected) => said.is_some_and(|said| said.contains(expected)),
        }
    }

    /// Stops them all, and shows what they printed where the test failed. Gives the errors as one text.
    fn stop(&self, processes: &[&dyn Process], failed: bool) -> String {
        let parts: Vec<_> = parts_of(processes).collect();
        let were_running: Vec<_> = parts.iter().map(|part| part.core.is_up()).collect();
        if failed {
            let own = parts.iter().filter_map(Part::own);
            own.for_each(Core::keep_after_failure);
        }
        // The last one first.
        let stop = |part: &Part<'_>| part.own().and_then(|core| core.stop_after_test().err());
        let mut errors: Vec<_> = parts.iter().rev().map(stop).collect();
        if failed {
            let ended = parts.iter().zip(were_running).zip(errors.iter_mut().rev());
            let stories: Vec<_> = ended
                .filter_map(|((part, was_running), error)| {
                    // How a process ended is reported once, with the rest of its story.
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

/// Marks code that is never reached: a step that fails in a test that should not panic has panicked.
///
/// # Panics
///
/// Always.
pub fn refused() -> ! {
    unreachable!("what fails in a test that is not to panic, panics")
}

fn show(text: &str) {
    if !text.is_empty() {
        events::say(text);
    }
}

fn parts_of<'a>(processes: &'a [&dyn Process]) -> impl Iterator<Item = Part<'a>> {
    processes.iter().flat_map(|process| process.parts())
}
