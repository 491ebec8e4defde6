//! What the attribute's expansion calls, and nobody else: no part of the public API.
//!
//! One order for every ending of a test: the body runs under `catch_unwind`, then the processes stop,
//! the last one first; then, if the test failed, what they printed is shown from the test's own
//! thread, so that the harness attributes it; then the panic goes on, or the value is returned.

mod body;
mod process;
mod values;

use std::any::Any;
use std::panic::resume_unwind;
use std::thread;

pub use ::core;

/// What the expansion names of the public API, whatever the crate is called.
pub use crate as api;

pub use body::{ByNothing, ByResult, Outcome, Verdict, catch, catch_async, never};
pub use process::{Given, Lent, Process, bound, prepared};
pub use values::{Time, duration, signal, text};

use crate::error::{Error, Result};
use crate::events;
use crate::executor::Executor;
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

/// Whether the test is to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    Never,
    Always,
    /// With a message that holds this.
    Saying(&'static str),
}

impl Test {
    /// Makes an executor, for a test that is to panic: a panic of what the user wrote is not the one.
    #[must_use]
    pub fn made<E>(&self, make: impl FnOnce() -> E) -> Option<E> {
        self.set_up(&[], || Ok(make()))
    }

    /// Takes all fixed ports together and in one order, so that no two tests wait for each other.
    #[track_caller]
    pub fn reserve(&self, processes: &[&dyn Process]) {
        if let Err(error) = reserve_all(processes) {
            panic!("{error}");
        }
    }

    /// The same, for a test that is to panic: the error is told, and false.
    #[must_use]
    pub fn reserved(&self, processes: &[&dyn Process]) -> bool {
        self.set_up(&[], || reserve_all(processes)).is_some()
    }

    /// Starts it; where it cannot, those before it stop first, as at every end.
    #[track_caller]
    pub fn start<R: Readiness>(
        &self,
        before: &[&dyn Process],
        executor: Executor<R>,
    ) -> Executor<R> {
        match executor.started() {
            Ok(executor) => executor,
            Err(error) => self.give_up(before, &error),
        }
    }

    /// The same, for a test that is to panic: that a process could not start is not the panic.
    #[must_use]
    pub fn started<R: Readiness>(
        &self,
        before: &[&dyn Process],
        executor: impl FnOnce() -> Executor<R>,
    ) -> Option<Executor<R>> {
        self.set_up(before, || executor().started())
    }

    #[track_caller]
    pub fn lend<T: Fixture>(
        &self,
        before: &[&dyn Process],
        shared: &'static Shared<T>,
    ) -> Lent<'static, T> {
        match shared.get() {
            Ok(fixture) => Lent(fixture),
            Err(error) => self.give_up(before, &error),
        }
    }

    /// The same, for a test that is to panic.
    #[must_use]
    pub fn lent<T: Fixture>(
        &self,
        before: &[&dyn Process],
        shared: impl FnOnce() -> &'static Shared<T>,
    ) -> Option<Lent<'static, T>> {
        self.set_up(before, || shared().get().map(Lent))
    }

    #[track_caller]
    fn give_up(&self, before: &[&dyn Process], error: &Error) -> ! {
        tell(&self.stop(before, true));
        panic!("{error}")
    }

    /// A step of the set-up of a test that is to panic: neither its error nor its panic, of which the
    /// hook has told, is the panic that is waited for.
    fn set_up<T>(&self, before: &[&dyn Process], step: impl FnOnce() -> Result<T>) -> Option<T> {
        let outcome = catch(step);
        if !matches!(outcome, Ok(Ok(_))) {
            tell(&self.stop(before, true));
        }
        match outcome {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                tell(&error.to_string());
                None
            }
            Err(_) => {
                tell(
                    "it panicked ahead of the test's body, which is not the panic that is waited for",
                );
                None
            }
        }
    }

    /// The end of the test: its value, or its panic goes on.
    ///
    /// # Panics
    ///
    /// With the body's own panic, or with the error of a stop where the test passed otherwise.
    #[track_caller]
    pub fn end<T>(
        &self,
        processes: &[&dyn Process],
        caught: thread::Result<T>,
        failed: impl FnOnce(&T) -> bool,
    ) -> T {
        let failed = caught.as_ref().map_or(true, failed);
        let errors = self.stop(processes, failed);
        match caught {
            Err(panic) => {
                tell(&errors);
                resume_unwind(panic)
            }
            Ok(value) if failed && (errors.is_empty() || !self.judged) => {
                tell(&errors);
                value
            }
            Ok(value) if errors.is_empty() => value,
            Ok(_) => panic!("{errors}"),
        }
    }

    /// The same, for a test that is to panic: after a stop that failed it does not, so that it fails.
    ///
    /// # Panics
    ///
    /// With the body's own panic.
    pub fn end_of_panic<T>(&self, processes: &[&dyn Process], caught: thread::Result<T>) {
        let expected = caught
            .as_ref()
            .err()
            .is_some_and(|panic| self.expects(panic));
        let errors = self.stop(processes, !expected);
        tell(&errors);
        if let Err(panic) = caught
            && (!expected || errors.is_empty())
        {
            resume_unwind(panic);
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
        let were_running: Vec<_> = processes.iter().map(|process| process.runs()).collect();
        if failed {
            for process in processes {
                process.keep();
            }
        }
        let ended = processes.iter().rev().map(|process| process.end());
        let errors: Vec<_> = ended
            .filter_map(|ended| ended.err().map(|error| error.to_string()))
            .collect();
        if failed {
            let stories: Vec<_> = processes
                .iter()
                .zip(were_running)
                .filter_map(|(process, was_running)| process.story(was_running))
                .collect();
            if !stories.is_empty() {
                let (module, name) = self.path;
                tell(&format!(
                    "the processes of the test {module}::{name}:\n{}",
                    stories.join("\n")
                ));
            }
        }
        errors.join("\n")
    }
}

fn tell(text: &str) {
    if !text.is_empty() {
        events::say(text);
    }
}

fn reserve_all(processes: &[&dyn Process]) -> Result<()> {
    let mut fixed: Vec<_> = processes
        .iter()
        .filter_map(|process| Some((process.fixed_port()?, process)))
        .collect();
    fixed.sort_by_key(|(port, _)| *port);
    fixed.iter().try_for_each(|(_, process)| process.reserve())
}
