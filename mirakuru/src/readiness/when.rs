//! The check that is ready when a closure returns `true`.

use std::fmt;

use super::{Context, NotReady, Readiness};

/// Ready when a closure returns `true`. [`Executor::when`](crate::Executor::when) creates it.
///
/// ```
/// use mirakuru::Executor;
/// use mirakuru::readiness::{Context, When};
///
/// # fn main() -> mirakuru::Result<()> {
/// let is_up: fn(&Context) -> bool = |cx| cx.output().text().contains("up");
/// let command = "sh -c 'echo up; exec sleep 60'";
/// let service: Executor<When<fn(&Context) -> bool>> = Executor::when(command, is_up).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct When<F>(pub(crate) F);

impl<F> fmt::Debug for When<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When(closure)")
    }
}

impl<F: Fn(&Context) -> bool + Send + Sync + 'static> Readiness for When<F> {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        if (self.0)(cx) {
            Ok(())
        } else {
            Err(NotReady::new("the closure returned false"))
        }
    }

    fn describe(&self, _cx: &Context) -> String {
        "the closure to return true".to_owned()
    }
}
