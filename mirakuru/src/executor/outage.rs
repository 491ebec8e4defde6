//! An outage that a test makes: restart, and the guard that ends with a start.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Executor;
use super::stop::Port;
use crate::environment;
use crate::error::Result;
use crate::events::Step;
use crate::locks::thread::{self, Refusal};
use crate::readiness::Readiness;
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Stops the process and starts it again, with the same port and the same private directory.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Self::stop) does, and then the process stays stopped. Fails as
    /// [`start`](Self::start) does.
    pub fn restart(&self) -> Result<&Self> {
        let _outage = self.begin_outage()?;
        self.start()
    }

    /// Stops the process and returns a guard that starts it again when dropped. Until then, other tests
    /// that ask for a shared fixture wait, and this thread sees it stopped. A [`start`](Self::start) by
    /// another thread of this process ends the outage earlier.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Self::stop) does.
    pub fn stopped(&self) -> Result<Stopped<'_>> {
        let outage = self.begin_outage()?;
        Ok(Stopped {
            executor: Some(self),
            _outage: outage,
        })
    }

    /// Stops it, and keeps its port: nobody else takes it meanwhile. An outage within an outage of
    /// this thread's is part of that.
    fn begin_outage(&self) -> Result<Option<thread::Held<'_>>> {
        let (signal, expected) = (self.config.stop_signal, self.config.expected_returncode);
        self.check_signal(signal)?;
        if self.session.is_foreign() {
            return Ok(None);
        }
        let queue = Deadline::after(environment::queue_bound());
        let outage = match self.session.outage(queue) {
            Ok(outage) => Some(outage),
            Err(Refusal::Own) => None,
            Err(refusal) => return Err(self.not_locked(refusal.why(), queue)),
        };
        let _turn = self.session.turn();
        // Of the run too: nobody starts it meanwhile.
        if let Some(lock) = self.exclusive()? {
            self.session.keep_lock(Some(lock));
        }
        let ended = self.end_in_turn(self.stop_plan(signal), Port::Kept);
        let stopped = ended.and_then(|ended| self.judge(ended, signal, expected));
        if let Err(error) = stopped {
            self.stay_stopped();
            return Err(error);
        }
        Ok(outage)
    }

    /// Why a lock on it would be asked for in vain, if it would.
    pub(crate) fn lock_is_out_of_place(&self) -> Option<&'static str> {
        if self.session.is_foreign() {
            return Some("a forked child has no part in what its parent shares");
        }
        self.session
            .has_outage()
            .then_some("this thread has stopped it: lock it first, and stop it then")
    }

    /// Has the service of who shares it started by `start`, but not where this thread has made the
    /// outage; where another has, after that.
    pub(super) fn beside_outages(&self, start: impl FnOnce() -> Result<()>) -> Result<()> {
        let queue = Deadline::after(environment::queue_bound());
        match self.session.outage(queue) {
            Ok(_beside) => start(),
            Err(Refusal::Own) => Ok(()),
            Err(refusal) => Err(self.not_locked(refusal.why(), queue)),
        }
    }
}

/// A guard that keeps a service stopped, and starts it again when dropped.
///
/// Drop never panics. If the start in it fails, it emits a warning event: call
/// [`restart`](Self::restart) to get the error. If drop does not run, the service stays stopped.
#[must_use = "the service starts again when this is dropped"]
pub struct Stopped<'a> {
    executor: Option<&'a dyn StartAgain>,
    // Behind the start: who waits for the end of the outage finds it running.
    _outage: Option<thread::Held<'a>>,
}

impl Stopped<'_> {
    /// Starts the service again now.
    ///
    /// # Errors
    ///
    /// Fails as [`Executor::start`] does.
    pub fn restart(mut self) -> Result<()> {
        self.executor.take().map_or(Ok(()), StartAgain::start_again)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let Some(executor) = self.executor.take() else {
            return;
        };
        // The executor is about to be dropped too, and a fixture is started by the next that asks.
        if std::thread::panicking() {
            executor.stay_stopped();
            return;
        }
        // A check of the user's own may panic.
        match catch_unwind(AssertUnwindSafe(|| executor.start_again())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => executor.warn(&error.to_string()),
            Err(_) => executor.warn("a check panicked"),
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
    /// Gives back what was kept for the start.
    fn stay_stopped(&self);
    /// That it did not start.
    fn warn(&self, error: &str);
}

impl<R: Readiness> StartAgain for Executor<R> {
    fn start_again(&self) -> Result<()> {
        self.start().map(drop)
    }

    fn stay_stopped(&self) {
        if !self.session.is_foreign() {
            self.give_back();
            self.session.keep_lock(None);
        }
    }

    fn warn(&self, error: &str) {
        self.tell(&Step::NotStartedAgain { error });
    }
}
