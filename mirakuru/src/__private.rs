//! What the attribute's expansion calls, and nobody else: no part of the public API.
//!
//! One order for every ending of a test: the body runs under `catch_unwind`, then the processes stop,
//! the last one first; then, if the test failed, what they printed is shown from the test's own
//! thread, so that the harness attributes it; then the panic goes on, or the value is returned.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

pub use ::core;

/// What the expansion names of the public API, whatever the crate is called.
pub use crate as api;

/// How a body ended.
pub type Outcome<T> = thread::Result<T>;

use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::shared::{Fixture, Shared};
use crate::signal::Signal;

/// One test with its processes.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Its module's path and its name.
    pub path: (&'static str, &'static str),
    pub panics: Panics,
}

/// Whether the test is to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    Never,
    Always,
    /// With a message that holds this.
    Saying(&'static str),
}

/// One process of a test.
pub trait Process {
    fn fixed_port(&self) -> Option<u16>;
    /// Takes the lease on the fixed port ahead of the start.
    fn reserve(&self) -> Result<()>;
    fn end(&self) -> Result<()>;
    /// What it printed and how it ended.
    fn story(&self) -> Option<String>;
}

impl<R: Readiness> Process for Executor<R> {
    fn fixed_port(&self) -> Option<u16> {
        self.port_to_reserve()
    }

    fn reserve(&self) -> Result<()> {
        Self::reserve(self)
    }

    fn end(&self) -> Result<()> {
        self.stop().map(drop)
    }

    fn story(&self) -> Option<String> {
        self.story_of_the_test()
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

    fn end(&self) -> Result<()> {
        Ok(())
    }

    fn story(&self) -> Option<String> {
        self.0.story_of_the_test()
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

impl Test {
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
        told(reserve_all(processes)).is_some()
    }

    #[track_caller]
    pub fn start<R: Readiness>(&self, executor: Executor<R>) -> Executor<R> {
        executor.started().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, for a test that is to panic: that a process could not start is not the panic.
    #[must_use]
    pub fn started<R: Readiness>(&self, executor: Executor<R>) -> Option<Executor<R>> {
        told(executor.started())
    }

    #[track_caller]
    pub fn lend<T: Fixture>(&self, shared: &'static Shared<T>) -> Lent<'static, T> {
        Lent(shared.get().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The same, for a test that is to panic.
    #[must_use]
    pub fn lent<T: Fixture>(&self, shared: &'static Shared<T>) -> Option<Lent<'static, T>> {
        told(shared.get().map(Lent))
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
            Ok(value) if failed => {
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
        let ended = processes.iter().rev().map(|process| process.end());
        let errors: Vec<_> = ended
            .filter_map(|ended| ended.err().map(|error| error.to_string()))
            .collect();
        if failed {
            let stories = processes.iter().filter_map(|process| process.story());
            let stories: Vec<_> = stories.collect();
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

fn told<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error: Error| tell(&error.to_string())).ok()
}

/// Through the macro, as that alone is what the harness captures. It panics where nobody can read
/// any more: that must not decide the test.
fn tell(text: &str) {
    if !text.is_empty() {
        let _ = catch_unwind(|| eprintln!("{text}"));
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

/// Runs the body.
///
/// # Errors
///
/// What it panicked with.
pub fn catch<T>(body: impl FnOnce() -> T) -> thread::Result<T> {
    catch_unwind(AssertUnwindSafe(body))
}

/// Runs the body of an async test.
///
/// # Errors
///
/// What it panicked with.
pub async fn catch_async<F: Future>(body: F) -> thread::Result<F::Output> {
    CatchUnwind(Box::pin(body)).await
}

struct CatchUnwind<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = self.0.as_mut();
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Whether a value says that the test failed; found by autoref: a `Result` is asked, and every other
/// type is not.
#[derive(Debug)]
pub struct Verdict<'a, T>(pub &'a T);

pub trait ByResult {
    fn failed(&self) -> bool;
}

impl<T, E> ByResult for Verdict<'_, std::result::Result<T, E>> {
    fn failed(&self) -> bool {
        self.0.is_err()
    }
}

pub trait ByNothing {
    fn failed(&self) -> bool;
}

impl<T> ByNothing for &Verdict<'_, T> {
    fn failed(&self) -> bool {
        false
    }
}

/// A time as the attribute takes it where it is no literal.
pub trait Time {
    fn duration(self) -> Duration;
}

impl Time for Duration {
    fn duration(self) -> Duration {
        self
    }
}

impl Time for u64 {
    fn duration(self) -> Duration {
        Duration::from_secs(self)
    }
}

impl Time for f64 {
    fn duration(self) -> Duration {
        Duration::from_secs_f64(self)
    }
}

#[must_use]
pub fn duration(time: impl Time) -> Duration {
    time.duration()
}

/// The signal with this name. The attribute has looked at it; one that this system lacks is no
/// signal, which the start says.
#[must_use]
pub fn signal(name: &str) -> Signal {
    Signal::named(name).unwrap_or(Signal::from_raw(0))
}
