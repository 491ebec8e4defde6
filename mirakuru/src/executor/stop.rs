//! Stop, kill, signal.

use super::Executor;
use super::core::Core;
use super::run::Run;
use super::verdict::Expected;
use crate::error::Result;
use crate::events::Step;
use crate::protocol::{Gone, StopPlan};
use crate::readiness::Readiness;
use crate::signal::Signal;
use crate::wait::Deadline;

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
        self.act(Core::stop)
    }

    /// Stops the process with `signal`, and accepts the exit code `expected`. `None` accepts death by
    /// the signal `n`, or the code `128 + n`.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Self::stop) does.
    pub fn stop_with(&self, signal: Signal, expected: impl Into<Option<i32>>) -> Result<&Self> {
        let expected = expected.into();
        self.act(|core| core.stop_with(signal, expected))
    }

    /// Kills the process and everything that it started, and waits until no process is left.
    ///
    /// # Errors
    ///
    /// - `Survivors`: a process could not be killed.
    /// - `Io`: another process killed the supervisor.
    /// - `InvalidConfig`: the kill signal has an invalid number.
    pub fn kill(&self) -> Result<&Self> {
        self.kill_with(self.core.config.kill_signal)
    }

    /// Kills the process tree with `signal`. If a process ignores it, `SIGKILL` follows after the stop
    /// timeout.
    ///
    /// # Errors
    ///
    /// Fails as [`kill`](Self::kill) does.
    pub fn kill_with(&self, signal: Signal) -> Result<&Self> {
        self.act(|core| core.kill_with(signal))
    }

    /// Sends a signal to the process group of the service, and returns at once. Use it to reload a
    /// configuration, or to freeze and thaw the service.
    ///
    /// # Errors
    ///
    /// - `Io`: the process is not running.
    /// - `InvalidConfig`: the signal has an invalid number.
    pub fn signal(&self, signal: Signal) -> Result<&Self> {
        self.act(|core| core.signal(signal))
    }
}

impl Core {
    pub(crate) fn stop(&self) -> Result<()> {
        self.stop_with(self.config.stop_signal, self.config.expected_returncode)
    }

    fn stop_with(&self, signal: Signal, expected: Option<i32>) -> Result<()> {
        self.check_signal(signal)?;
        let ended = self.end(self.stop_plan(signal))?;
        self.judge(ended, signal, expected)
    }

    fn kill_with(&self, signal: Signal) -> Result<()> {
        self.check_signal(signal)?;
        let plan = StopPlan {
            kill_signal: signal.as_raw(),
            ..self.stop_plan(signal)
        };
        self.end(plan.kill()).map(drop)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.check_signal(signal)?;
        let ended = |run: &Run| run.link.look(|state| state.empty || state.lost);
        let run = self
            .up()
            .filter(|run| !ended(run))
            .ok_or_else(|| self.not_running("signalled"))?;
        run.link.signal(signal.as_raw());
        Ok(())
    }

    pub(super) fn check_signal(&self, signal: Signal) -> Result<()> {
        signal.check().map_err(|mistake| self.invalid(mistake))
    }

    pub(super) fn stop_plan(&self, signal: Signal) -> StopPlan {
        StopPlan {
            signal: signal.as_raw(),
            whole_tree: false,
            kill_signal: self.config.kill_signal.as_raw(),
            patience: self.config.stop_bound(),
        }
    }

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
        // Another service may have been started since.
        match run.link.look(|state| state.exit_of(run.number)) {
            Some(code) if !expected.accepts(code) => {
                run.link.drain();
                Err(self.finished_with_error(&run, &expected.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn end(&self, plan: StopPlan) -> Result<Option<(Run, Gone)>> {
        let _turn = self.turn();
        let _run_lock = self.run_lock()?;
        self.end_in_turn(plan, false)
    }

    /// Brings the tree down. The caller has the turn, and the run's lock if a run shares the service. The lease
    /// on a fixed port is not given back if the service is about to come back.
    pub(super) fn end_in_turn(
        &self,
        plan: StopPlan,
        comes_back: bool,
    ) -> Result<Option<(Run, Gone)>> {
        let Some(run) = self.up() else {
            self.stop_orphaned_service();
            // During an outage the port stays with the thread that ends the outage.
            if !comes_back && !self.is_in_outage() {
                self.give_port_back();
            }
            return Ok(None);
        };
        let release = self.port_to_release().filter(|_| !comes_back);
        let Some(gone) = self.bring_down(&run, plan, release) else {
            // The lease went with the supervisor.
            self.note_port_given_back();
            return Err(self.lost(run.link.swept()));
        };
        if !gone.survivors.is_empty() {
            run.link.drain();
            return Err(self.survivors(&run, &gone));
        }
        if !comes_back {
            self.note_port_given_back();
        }
        Ok(Some((run, gone)))
    }

    /// Brings the tree of this run down, and then gives the lease on the port `release` back, all in one round
    /// trip. Returns `None` if the supervisor could not report how that went.
    pub(super) fn bring_down(
        &self,
        run: &Run,
        plan: StopPlan,
        release: Option<u16>,
    ) -> Option<Gone> {
        let begun = Deadline::after(plan.patience);
        let (signal, pid) = (Signal::from_raw(plan.signal), run.pid);
        run.emit(Step::debug(format!("is stopped: {signal} to pid {pid}")));
        let gone = run.link.stop(plan, release);
        run.emit_end(gone.as_ref(), begun.elapsed());
        // Another thread may have started the service again since this run was looked up.
        self.state(|state| state.is_down(run));
        gone
    }
}
