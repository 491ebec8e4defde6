//! Ready when a closure says so.

use std::fmt;

use super::{Context, NotReady, Readiness};

/// Ready when a closure says so; made by [`Executor::when`](crate::Executor::when).
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
