//! Stop, kill, signal, restart, and the guard of an outage.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::libc;

use super::Executor;
use super::failure::warn_about;
use super::session::Run;
use crate::error::{ErrorKind, Result};
use crate::readiness::Readiness;
use crate::signal::{Signal, describe_exit};
use crate::supervisor::protocol::{Gone, StopPlan};
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Stops the process and everything that it started: the stop signal to its process group, the
    /// kill signal after the stop timeout, then whatever is left of the tree. When this returns, the
    /// kernel has confirmed that nothing is. Never started or already stopped, it is a no-op.
    ///
    /// A frozen process is thawed, so that it hears the signal. A service that daemonized, so that
    /// its main process has ended, is asked through the processes that it left.
    ///
    /// # Errors
    ///
    /// `ProcessFinishedWithError` where it ended with neither 0 nor the expected code
    /// ([`expected_returncode`](Self::expected_returncode)), also where it ended by itself earlier;
    /// a kill after the stop timeout is no error. `Survivors` where something could not be killed,
    /// `Io` where the supervisor was killed from outside, `InvalidConfig` for a number that no signal
    /// has.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Unixes other than Linux only the service's process group is known to be gone.
    pub fn stop(&self) -> Result<&Self> {
        self.stop_with(self.config.stop_signal, self.config.expected_returncode)
    }

    /// The same with another signal, and another expected code (`None`: death by the signal `n`, or
    /// `128 + n`).
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn stop_with(&self, signal: Signal, expected: impl Into<Option<i32>>) -> Result<&Self> {
        self.check_signal(signal)?;
        self.stop_and(signal, expected.into(), Port::GivenBack)
    }

    fn stop_and(&self, signal: Signal, expected: Option<i32>, port: Port) -> Result<&Self> {
        let Some((run, gone)) = self.end(self.stop_plan(signal), port)? else {
            return Ok(self);
        };
        let expected = Expected {
            signal,
            code: expected,
            forced_by: gone.forced.then_some(self.config.kill_signal),
        };
        match run.link.look(|state| state.exit) {
            Some(code) if !expected.accepts(code) => {
                Err(self.finished_with_error(&run, &expected.to_string()))
            }
            _ => Ok(self),
        }
    }

    /// Kills the process and everything that it started, and waits until nothing is left.
    ///
    /// # Errors
    ///
    /// `Survivors` where something could not be killed, `Io` where the supervisor was killed from
    /// outside, `InvalidConfig` for a number that no signal has.
    pub fn kill(&self) -> Result<&Self> {
        self.kill_with(self.config.kill_signal)
    }

    /// The same with another signal; where it is ignored, KILL follows after the stop timeout.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn kill_with(&self, signal: Signal) -> Result<&Self> {
        self.check_signal(signal)?;
        let plan = StopPlan {
            whole_tree: true,
            kill_signal: libc::SIGKILL,
            ..self.stop_plan(signal)
        };
        self.end(plan, Port::GivenBack)?;
        Ok(self)
    }

    /// Sends a signal to the service's process group, and waits for nothing: to have it read its
    /// configuration again, to freeze it, to thaw it.
    ///
    /// # Errors
    ///
    /// `Io` where it is not running, `InvalidConfig` for a number that no signal has.
    pub fn signal(&self, signal: Signal) -> Result<&Self> {
        if self.session.is_foreign() {
            return Ok(self);
        }
        self.check_signal(signal)?;
        let ended = |run: &Run| run.link.look(|state| state.empty || state.lost);
        let run = self
            .up()
            .filter(|run| !ended(run))
            .ok_or_else(|| self.not_running())?;
        run.link.signal(signal.as_raw());
        Ok(self)
    }

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

    /// Waits until `ready` returns true, asked at the pace of a start, within the executor's
    /// timeout counted from now.
    ///
    /// # Errors
    ///
    /// `TimeoutExpired` at the timeout, and then the tree is killed; `ProcessExitedWithError` at
    /// once when the process ends, asked once more after that.
    pub fn wait_for(&self, mut ready: impl FnMut() -> bool) -> Result<&Self> {
        use super::failure::Unready;
        use crate::readiness::NotReady;
        use crate::readiness::probe::Answer;

        if self.session.is_foreign() {
            return Ok(self);
        }
        let Some(run) = self.up() else {
            return if ready() {
                Ok(self)
            } else {
                Err(self.not_running())
            };
        };
        let deadline = Deadline::after(self.config.timeout);
        let ask = || {
            if ready() {
                Answer::Ready
            } else {
                Answer::NotReady(NotReady::new("the closure returned false"))
            }
        };
        // As long as anything of its tree is left, an end with 0 may be that of a daemon's parent.
        let ended = |state: &crate::supervisor::state::State| {
            state.exit.filter(|code| *code != 0 || state.empty)
        };
        let Err(unready) = self.wait_until(&run, deadline, true, ended, ask) else {
            return Ok(self);
        };
        let stood = run.link.look(|state| (state.exit, state.empty));
        let gone = match &unready {
            Unready::Overdue { .. } => {
                let _turn = self.session.turn();
                let gone = self.session.bring_down(&run, StopPlan::ABRUPT);
                self.session.give_back();
                gone
            }
            _ => None,
        };
        let awaited = Some("the closure to return true");
        Err(self.unready(unready, awaited, &run, stood, gone.as_ref(), deadline))
    }

    fn check_signal(&self, signal: Signal) -> Result<()> {
        signal.check().map_err(|mistake| {
            self.scene()
                .reason(mistake)
                .into_error(ErrorKind::InvalidConfig)
        })
    }

    /// Brings the tree down, if it is up.
    fn end(&self, plan: StopPlan, port: Port) -> Result<Option<(Run, Gone)>> {
        if self.session.is_foreign() {
            return Ok(None);
        }
        let _turn = self.session.turn();
        let _exclusive = self.exclusive()?;
        let Some(run) = self.up() else {
            if port == Port::GivenBack {
                self.session.give_back();
            }
            return Ok(None);
        };
        tracing::debug!(
            executor = self.title(),
            pid = run.pid,
            signal = plan.signal,
            "stopping"
        );
        let Some(gone) = self.session.bring_down(&run, plan) else {
            return Err(self.lost(&run.link));
        };
        warn_about(&run, Some(&gone));
        if !gone.survivors.is_empty() {
            return Err(self.survivors(&run, &gone));
        }
        if port == Port::GivenBack {
            self.session.give_back();
        }
        tracing::info!(
            executor = self.title(),
            pid = run.pid,
            exit_code = run.link.look(|state| state.exit),
            "gone"
        );
        Ok(Some((run, gone)))
    }
}

/// What becomes of the lease on a fixed port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    GivenBack,
    /// The service is about to come back.
    Kept,
}

/// How a stopped process may have ended.
struct Expected {
    signal: Signal,
    code: Option<i32>,
    /// The signal that made it, where asking was in vain.
    forced_by: Option<Signal>,
}

impl Expected {
    fn accepts(&self, code: i32) -> bool {
        let by_signal = |signal: Signal| code == -signal.as_raw() || code == 128 + signal.as_raw();
        code == 0
            || self
                .code
                .map_or_else(|| by_signal(self.signal), |expected| code == expected)
            || self
                .forced_by
                .is_some_and(|signal| by_signal(signal) || by_signal(Signal::KILL))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exited with code 0, or {}", describe_exit(code)),
            None => write!(
                f,
                "exited with code 0 or {}, or killed by {}",
                128 + self.signal.as_raw(),
                self.signal
            ),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(code: Option<i32>, forced_by: Option<Signal>) -> Expected {
        Expected {
            signal: Signal::TERM,
            code,
            forced_by,
        }
    }

    #[test]
    fn by_default_death_by_the_signal_and_its_shell_code_are_right() {
        let default = expected(None, None);
        assert!([0, -15, 143].into_iter().all(|code| default.accepts(code)));
        assert!(
            [1, -9, 137, 15]
                .into_iter()
                .all(|code| !default.accepts(code))
        );
    }

    #[test]
    fn an_expected_code_takes_the_place_of_the_default() {
        let three = expected(Some(3), None);
        assert!(three.accepts(3) && three.accepts(0) && !three.accepts(-15));
    }

    #[test]
    fn a_kill_after_the_timeout_is_right() {
        assert!(expected(None, Some(Signal::KILL)).accepts(-9));
        assert!(expected(Some(3), Some(Signal::QUIT)).accepts(-3));
    }
}
