//! Runs the body of a test, and judges its value. A panic of the body is caught, so that every ending of a test has the
//! same order.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::task::Poll;
use std::thread;

/// The result of a body: its value, or the payload of its panic.
pub type Outcome<T> = thread::Result<T>;

/// Runs the body.
///
/// # Errors
///
/// Returns the payload of the panic if the body panics.
pub fn catch<T>(body: impl FnOnce() -> T) -> thread::Result<T> {
    catch_unwind(AssertUnwindSafe(body))
}

/// Runs the body of an async test.
///
/// # Errors
///
/// Returns the payload of the panic if the body panics.
pub async fn catch_async<F: Future>(body: F) -> thread::Result<F::Output> {
    let mut body = Box::pin(body);
    poll_fn(|cx| match catch(|| body.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Gives an async body the type that it returns. The expansion never calls this function.
///
/// # Panics
///
/// Always panics.
#[must_use]
pub fn never<T>() -> T {
    unreachable!("the call is under `if false`")
}

/// The value of a body. The call `(&&Verdict(value)).failed()` reports whether the value means that the test failed.
///
/// Autoref selects the method: the compiler takes the first of the three traits that is implemented for the type. An
/// `ExitCode`, alone or in a `Result`, comes first. Any other `Result` comes second. A value of any other type never
/// means a failure.
#[derive(Debug)]
pub struct Verdict<'a, T>(pub &'a T);

/// The trait for an `ExitCode`, alone or in a `Result`.
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

/// The trait for any other `Result`.
pub trait ByResult {
    fn failed(&self) -> bool;
}

impl<T, E> ByResult for &&Verdict<'_, std::result::Result<T, E>> {
    fn failed(&self) -> bool {
        self.0.is_err()
    }
}

/// The trait for all other types.
pub trait ByNothing {
    fn failed(&self) -> bool;
}

impl<T> ByNothing for Verdict<'_, T> {
    fn failed(&self) -> bool {
        false
    }
}
