//! Stop, kill, signal.

use super::Executor;
use super::run::Run;
use super::verdict::Expected;
use crate::error::Result;
use crate::protocol::{Gone, StopPlan};
use crate::readiness::Readiness;
use crate::signal::Signal;

/// # Stop
impl<R: Readiness> Executor<R> {
    /// Stops the process and everything that it started. When this returns, the kernel has confirmed
    /// that no process of the tree is left. Does nothing if the process is not running.
    ///
    /// The stop signal goes to the process group of the service, the kill signal follows after the
    /// stop timeout, and then all other processes of the tree are killed. A frozen process is thawed,
    /// so that it receives the signal. If the main process of a daemon has ended, the stop signal goes
    /// to the processes that it left.
    ///
    /// # Errors
    ///
    /// - `ProcessFinishedWithError`: the process ended with neither 0 nor the expected code
    ///   ([`expected_returncode`](Self::expected_returncode)), now or before this call. A kill after the
    ///   stop timeout is not an error.
    /// - `Survivors`: a process could not be killed.
    /// - `Io`: another process killed the supervisor.
    /// - `InvalidConfig`: the stop signal has an invalid number.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Unixes other than Linux, only the service's process group is confirmed to be gone.
    pub fn stop(&self) -> Result<&Self> {
        self.stop_with(self.config.stop_signal, self.config.expected_returncode)
    }

    /// Stops the process with `signal`, and accepts the exit code `expected`. `None` accepts death by
    /// the signal `n`, or the code `128 + n`.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Self::stop) does.
    pub fn stop_with(&self, signal: Signal, expected: impl Into<Option<i32>>) -> Result<&Self> {
        self.check_signal(signal)?;
        let ended = self.end(self.stop_plan(signal))?;
        self.judge(ended, signal, expected.into())?;
        Ok(self)
    }

    /// Whether it ended as it should.
    pub(super) fn judge(
        &self,
        ended: Option<(Run, Gone)>,
        signal: Signal,
        expected: Option<i32>,
    ) -> Result<()> {
        let Some((run, gone)) = ended else {
            return Ok(());
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
            _ => Ok(()),
        }
    }

    /// Kills the process and everything that it started, and waits until no process is left.
    ///
    /// # Errors
    ///
    /// - `Survivors`: a process could not be killed.
    /// - `Io`: another process killed the supervisor.
    /// - `InvalidConfig`: the kill signal has an invalid number.
    pub fn kill(&self) -> Result<&Self> {
        self.kill_with(self.config.kill_signal)
    }

    /// Kills the process tree with `signal`. If a process ignores it, `SIGKILL` follows after the stop
    /// timeout.
    ///
    /// # Errors
    ///
    /// Fails as [`kill`](Self::kill) does.
    pub fn kill_with(&self, signal: Signal) -> Result<&Self> {
        self.check_signal(signal)?;
        let plan = StopPlan {
            kill_signal: signal.as_raw(),
            ..self.stop_plan(signal)
        };
        self.end(plan.kill())?;
        Ok(self)
    }

    /// Sends a signal to the process group of the service, and returns at once. Use it to reload a
    /// configuration, or to freeze and thaw the service.
    ///
    /// # Errors
    ///
    /// - `Io`: the process is not running.
    /// - `InvalidConfig`: the signal has an invalid number.
    pub fn signal(&self, signal: Signal) -> Result<&Self> {
        if self.session.is_foreign() {
            return Ok(self);
        }
        self.check_signal(signal)?;
        let ended = |run: &Run| run.link.look(|state| state.empty || state.lost);
        let run = self
            .up()
            .filter(|run| !ended(run))
            .ok_or_else(|| self.not_running("signalled"))?;
        run.link.signal(signal.as_raw());
        Ok(self)
    }

    pub(super) fn check_signal(&self, signal: Signal) -> Result<()> {
        signal.check().map_err(|mistake| self.invalid(mistake))
    }

    /// Brings the tree down, if it is up.
    fn end(&self, plan: StopPlan) -> Result<Option<(Run, Gone)>> {
        if self.session.is_foreign() {
            return Ok(None);
        }
        let _turn = self.session.turn();
        let _exclusive = self.exclusive()?;
        self.end_in_turn(plan, Port::GivenBack)
    }

    /// The end that is brought by who has the turn, and the run's lock where the run shares it.
    pub(super) fn end_in_turn(&self, plan: StopPlan, port: Port) -> Result<Option<(Run, Gone)>> {
        let Some(run) = self.up() else {
            self.end_what_nobody_knows();
            // In an outage it is kept for who brings that to its end.
            if port == Port::GivenBack && !self.session.is_in_outage() {
                self.give_back();
            }
            return Ok(None);
        };
        let release = self.port_to_release().filter(|_| port == Port::GivenBack);
        let Some(gone) = self.session.bring_down(&run, plan, release) else {
            return Err(self.lost(&run.link));
        };
        if !gone.survivors.is_empty() {
            return Err(self.survivors(&run, &gone));
        }
        if port == Port::GivenBack {
            self.session.gave_back();
        }
        Ok(Some((run, gone)))
    }
}

/// What becomes of the lease on a fixed port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    GivenBack,
    /// The service is about to come back.
    Kept,
}
