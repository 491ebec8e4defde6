//! The body of a test: run so that there is one order for every ending, and judged by its value.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::task::Poll;
use std::thread;

/// How a body ended.
pub type Outcome<T> = thread::Result<T>;

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
    let mut body = Box::pin(body);
    poll_fn(|cx| match catch(|| body.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// A value of the type that an async body returns. Never called.
///
/// # Panics
///
/// Always.
#[must_use]
pub fn never<T>() -> T {
    unreachable!("it stands behind `if false`")
}

/// Whether a value says that the test failed, asked as `(&&Verdict(value)).failed()`. Found by autoref:
/// the compiler takes the first of these traits whose type fits, so a code is looked for first, alone
/// or in a `Result`, then any other `Result`; every other type says nothing.
#[derive(Debug)]
pub struct Verdict<'a, T>(pub &'a T);

pub trait ByCode {
    fn failed(&self) -> bool;
}

impl ByCode for &Verdict<'_, ExitCode> {
    fn failed(&self) -> bool {
        *self.0 != ExitCode::SUCCESS
    }
}

impl<E> ByCode for &Verdict<'_, std::result::Result<ExitCode, E>> {
    fn failed(&self) -> bool {
        !matches!(self.0, Ok(code) if *code == ExitCode::SUCCESS)
    }
}

pub trait ByResult {
    fn failed(&self) -> bool;
}

impl<T, E> ByResult for &&Verdict<'_, std::result::Result<T, E>> {
    fn failed(&self) -> bool {
        self.0.is_err()
    }
}

pub trait ByNothing {
    fn failed(&self) -> bool;
}

impl<T> ByNothing for Verdict<'_, T> {
    fn failed(&self) -> bool {
        false
    }
}
