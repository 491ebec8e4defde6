//! Outages that a test makes: `restart`, and the guard `Stopped`, which starts the service again when dropped.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Executor;
use super::core::Core;
use crate::error::{ErrorKind, Result};
use crate::events::{Step, first_line};
use crate::locks::TurnGuard;
use crate::readiness::Readiness;
use crate::signal::Signal;

impl<R: Readiness> Executor<R> {
    /// Stops the process and starts it again, with the same port and the same private directory. If the process has
    /// already ended by itself, this starts it again too, and emits a warning event that reports the end.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// let first = service.pid();
    /// service.restart()?;
    /// assert_ne!(service.pid(), first);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `ProcessFinishedWithError`: the old process ended with an exit code that [`stop`](Self::stop) would not
    ///   accept, and not by a signal that [`signal`](Self::signal) sent. The new process runs.
    /// - `Io`: another process killed the supervisor. The new process runs.
    /// - `Survivors`: a process could not be killed. No new process was started.
    /// - `InvalidConfig`: the stop signal has an invalid number.
    ///
    /// Otherwise, fails as [`start`](Self::start) does.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start) does.
    pub fn restart(&self) -> Result<&Self> {
        self.act(|core| {
            let _outage = core.begin_outage()?;
            core.start()
        })
    }

    /// Stops the process and returns a guard that starts it again when dropped. Until then, other tests
    /// that use a shared fixture wait, and this thread sees it stopped. A [`start`](Self::start) by
    /// another thread of this process ends the outage earlier.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// let outage = service.stopped()?;
    /// assert!(!service.running());
    /// drop(outage);
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`restart`](Self::restart) does. If the old process ended with an error, the new process runs, and the
    /// outage does not begin.
    pub fn stopped(&self) -> Result<Stopped<'_>> {
        let outage = self.core.unless_forked().map(Core::begin_outage);
        Ok(Stopped {
            _outage: outage.transpose()?.flatten(),
            core: Some(&self.core),
        })
    }
}

impl Core {
    /// Stops the service and keeps its port, so that no other executor takes the port meanwhile. Returns `None`
    /// within another outage of this thread, which the new outage then belongs to. If the service ended with an
    /// error, starts it again and returns the error.
    fn begin_outage(&self) -> Result<Option<TurnGuard<'_>>> {
        let signal = self.config.stop_signal;
        self.check_signal(signal)?;
        let outage = self.take_outage()?;
        let turn = self.turn();
        // With this lock held, no other process of the run starts the service.
        if let Some(lock) = self.run_lock()? {
            self.state(|state| state.kept_lock = Some(lock));
        }
        self.emit_death();
        let was_up = self.is_up();
        let ended = self.end_in_turn(self.stop_plan(signal), true);
        let judged = ended.and_then(|ended| {
            let ended = ended.filter(|_| was_up);
            self.judge(ended, self.expected(signal), true)
        });
        drop(turn);
        let Err(error) = judged else {
            return Ok(outage);
        };
        if error.kind() == ErrorKind::Survivors {
            self.stay_stopped();
            return Err(error);
        }
        // This stop sent no SIGKILL: another process killed the service just before.
        if error.exit_code() == Some(-Signal::KILL.as_raw()) {
            self.emit(Step::warn(format!("was killed: {}", first_line(&error))));
            return Ok(outage);
        }
        self.start()?;
        Err(error)
    }

    /// Releases the port and the run's lock, which were kept for the start after an outage.
    fn stay_stopped(&self) {
        self.give_port_back();
        drop(self.state(|state| state.kept_lock.take()));
    }

    /// Ends an outage at the drop of its guard.
    fn end_outage(&self) {
        // The executor is about to be dropped too. A shared fixture starts again for the next test that uses it.
        if std::thread::panicking() {
            self.stay_stopped();
            return;
        }
        // A check that the user wrote may panic.
        let error = match catch_unwind(AssertUnwindSafe(|| self.start())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a check panicked".to_owned(),
        };
        let reported = format!("did not start again after an outage: {error}");
        self.emit(Step::warn(reported));
    }
}

/// A guard that keeps a service stopped, and starts it again when dropped.
///
/// Drop never panics. If the start in it fails, it emits a warning event: call
/// [`restart`](Self::restart) to get the error. If drop does not run, the service stays stopped.
#[must_use = "dropping the guard starts the service again: bind it to a variable"]
pub struct Stopped<'a> {
    core: Option<&'a Core>,
    // Dropped after the start in `drop`, so that a test that waits for the end of the outage finds the service running.
    _outage: Option<TurnGuard<'a>>,
}

impl Stopped<'_> {
    /// Starts the service again now, and returns the error that a drop would only report as an event.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = ["sh", "-c", "echo up; exec sleep 60"];
    /// let service = OutputExecutor::new(script, "up").started()?;
    /// let outage = service.stopped()?;
    /// outage.restart()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`Executor::start`] does.
    ///
    /// # Panics
    ///
    /// Panics as [`Executor::start`] does.
    pub fn restart(mut self) -> Result<()> {
        let core = self.core.take().and_then(Core::unless_forked);
        core.map_or(Ok(()), Core::start)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take().and_then(Core::unless_forked) {
            core.end_outage();
        }
    }
}

impl fmt::Debug for Stopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").finish_non_exhaustive()
    }
}
