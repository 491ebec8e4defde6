//! An outage that a test makes: restart, and the guard that ends with a start.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Executor;
use super::stop::Port;
use crate::error::Result;
use crate::readiness::Readiness;

impl<R: Readiness> Executor<R> {
    /// Stops it and starts it again, with the same port and the same private directory.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop), and then it stays stopped; and as [`start`](Self::start).
    pub fn restart(&self) -> Result<&Self> {
        self.begin_outage()?.start()
    }

    /// Stops it now, and starts it again when the guard is dropped: a bounded outage.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn stopped(&self) -> Result<Stopped<'_>> {
        self.begin_outage()?;
        Ok(Stopped {
            executor: Some(self),
        })
    }

    /// Stops it, and keeps its port: nobody else takes it meanwhile.
    fn begin_outage(&self) -> Result<&Self> {
        let (signal, expected) = (self.config.stop_signal, self.config.expected_returncode);
        self.check_signal(signal)?;
        if !self.session.is_foreign() {
            // Of the run too: nobody starts it meanwhile.
            let lock = self.exclusive()?;
            self.session.keep_lock(lock);
        }
        let stopped = self.stop_and(signal, expected, Port::Kept);
        if stopped.is_err() && !self.session.is_foreign() {
            self.session.give_back();
            self.session.keep_lock(None);
        }
        stopped
    }
}

/// An outage that a test makes: the service is stopped, and starts again when this is dropped.
///
/// Drop never panics, and a start that fails in it is a warning event only; call
/// [`restart`](Self::restart) to see the error. Where drop does not run, the service stays stopped.
#[must_use = "the service starts again when this is dropped"]
pub struct Stopped<'a> {
    executor: Option<&'a dyn StartAgain>,
}

impl Stopped<'_> {
    /// Starts the service again now.
    ///
    /// # Errors
    ///
    /// As [`Executor::start`].
    pub fn restart(mut self) -> Result<()> {
        self.executor.take().map_or(Ok(()), StartAgain::start_again)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        // While panicking the executor is about to be dropped too: starting it would be in vain.
        let Some(executor) = self.executor.take().filter(|_| !std::thread::panicking()) else {
            return;
        };
        // A check of the user's own may panic.
        match catch_unwind(AssertUnwindSafe(|| executor.start_again())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "did not start again after an outage"),
            Err(_) => tracing::warn!("a check panicked in the start after an outage"),
        }
    }
}

impl fmt::Debug for Stopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").finish_non_exhaustive()
    }
}

/// An executor whose check does not matter.
trait StartAgain {
    fn start_again(&self) -> Result<()>;
}

impl<R: Readiness> StartAgain for Executor<R> {
    fn start_again(&self) -> Result<()> {
        self.start().map(drop)
    }
}
