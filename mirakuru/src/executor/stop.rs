//! Stops, kills and signals a service, and checks how it ended.

use std::collections::BTreeSet;
use std::mem::replace;
use std::time::Duration;

use super::Executor;
use super::core::Core;
use super::run::Run;
use super::verdict::Expected;
use super::wait::SLOW;
use crate::error::{Result, seconds};
use crate::events::{self, Step};
use crate::protocol::{Gone, StopPlan};
use crate::readiness::Readiness;
use crate::signal::Signal;
use crate::wait::Deadline;

/// # Stop
impl<R: Readiness> Executor<R> {
    /// Stops the process and all processes that it started. When this returns, the kernel has confirmed
    /// that no process of the tree is left. Does nothing if the process is not running.
    ///
    /// Each process group of the tree gets the stop signal at most once. The groups of the main process and of daemons
    /// get it first. Every other group gets it once its parent has ended: until then, the parent should stop it. After
    /// the stop timeout the kill signal follows. A frozen process is thawed, so that it receives the signal. See
    /// [stopping](crate::guide::stopping).
    ///
    /// The first stop of an executor that has to kill, or takes more than five seconds, prints one line to standard
    /// error. A [`stop_timeout`](Self::stop_timeout) below one second switches the line off.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// service.stop()?;
    /// assert!(!service.running());
    /// # Ok(())
    /// # }
    /// ```
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
    /// On macOS, a stop misses a daemon whose parent started and ended between two reads of the process list. On
    /// Unixes other than Linux and macOS, a stop proves that the process group of the service is empty, and not that
    /// the tree is gone. A process that has left the group, such as a daemon, stays, and the stop returns `Ok`.
    ///
    /// On Windows, a stop terminates the whole tree at once, unless [`stop_signal`](Self::stop_signal) is
    /// [`Signal::INT`].
    pub fn stop(&self) -> Result<&Self> {
        self.act(Core::stop)
    }

    /// Stops the process with `signal`, and accepts the exit code `expected`. With `None`, the stop accepts the code of
    /// [`expected_returncode`](Self::expected_returncode). If that option is not set, it accepts death by `signal`, and
    /// the code 128 plus the number of `signal`.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Signal};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "trap 'exit 7' HUP; echo up; sleep 60 & wait";
    /// let service = OutputExecutor::new(["sh", "-c", script], "up").started()?;
    /// service.stop_with(Signal::HUP, 7)?;
    /// assert_eq!(service.exit_code(), Some(7));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Self::stop) does.
    pub fn stop_with(&self, signal: Signal, expected: impl Into<Option<i32>>) -> Result<&Self> {
        let expected = expected.into();
        self.act(|core| core.stop_with(signal, expected))
    }

    /// Kills the process and all processes that it started, and waits until no process is left. Does nothing if the
    /// process is not running.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// service.kill()?;
    /// assert_eq!(service.exit_code(), Some(-9));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Survivors`: a process could not be killed.
    /// - `Io`: another process killed the supervisor.
    /// - `InvalidConfig`: the kill signal has an invalid number.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows, the system terminates all processes of the tree in one step. On systems other than Linux and
    /// Windows, a kill misses the same processes as [`stop`](Self::stop).
    pub fn kill(&self) -> Result<&Self> {
        self.kill_with(self.core.config.kill_signal)
    }

    /// Kills the process tree with `signal`. If a process ignores it, `SIGKILL` follows after the stop
    /// timeout.
    ///
    /// ```
    /// use mirakuru::{Signal, SimpleExecutor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// service.kill_with(Signal::USR1)?;
    /// assert_eq!(service.exit_code(), Some(-Signal::USR1.as_raw()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`kill`](Self::kill) does.
    pub fn kill_with(&self, signal: Signal) -> Result<&Self> {
        self.act(|core| core.kill_with(signal))
    }

    /// Sends a signal to the main process, and returns at once. Use it to reload a configuration. If the main
    /// process of a daemon has ended, each process that it left gets the signal.
    ///
    /// If the signal ends the service, [`restart`](Self::restart), [`stopped`](Self::stopped) and the end of an
    /// annotated test accept that exit code. [`stop`](Self::stop) returns an error.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Signal};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "trap 'echo reloaded' HUP; echo up; sleep 60 & wait; wait";
    /// let service = OutputExecutor::new(["sh", "-c", script], "up").started()?;
    /// service.signal(Signal::HUP)?;
    /// assert_eq!(service.output().wait_for("reloaded")?, "reloaded");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Io`: the process is not running.
    /// - `InvalidConfig`: the signal has an invalid number.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows, [`Signal::INT`] sends `CTRL_BREAK` to the console group of the main process. [`Signal::TERM`] and
    /// [`Signal::KILL`] terminate the main process, and every other signal is `InvalidConfig`.
    pub fn signal(&self, signal: Signal) -> Result<&Self> {
        self.act(|core| core.signal(signal, false))
    }

    /// Sends a signal to the process group of the main process, and returns at once. Use it to freeze and thaw a
    /// service together with its workers. See [`signal`](Self::signal). On Windows, [`Signal::TERM`] and
    /// [`Signal::KILL`] terminate the whole tree.
    ///
    /// ```
    /// use mirakuru::{Signal, SimpleExecutor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// service.signal_group(Signal::STOP)?; // Freezes the service.
    /// assert!(service.running());
    /// service.signal_group(Signal::CONT)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`signal`](Self::signal) does.
    pub fn signal_group(&self, signal: Signal) -> Result<&Self> {
        self.act(|core| core.signal(signal, true))
    }
}

/// A service that a stop has ended.
pub(super) struct Ended {
    run: Run,
    gone: Gone,
    /// Whether the main process was running when the stop signal was sent.
    asked: bool,
}

impl Core {
    pub(crate) fn stop(&self) -> Result<()> {
        self.stop_with(self.config.stop_signal, None)
    }

    /// Stops the service at the end of a test, which may have ended the service by a signal.
    #[cfg(feature = "macros")]
    pub(crate) fn stop_after_test(&self) -> Result<()> {
        let signal = self.config.stop_signal;
        let ended = self.end(self.stop_plan(signal))?;
        self.judge(ended, self.expected(signal), true)
    }

    fn stop_with(&self, signal: Signal, code: Option<i32>) -> Result<()> {
        self.check_signal(signal)?;
        let ended = self.end(self.stop_plan(signal))?;
        let expected = self.expected(signal);
        let code = code.or(expected.code);
        self.judge(ended, Expected { code, ..expected }, false)
    }

    fn kill_with(&self, signal: Signal) -> Result<()> {
        self.check_signal(signal)?;
        let plan = StopPlan {
            kill_signal: signal.as_raw(),
            ..self.stop_plan(signal)
        };
        self.end(plan.kill()).map(drop)
    }

    fn signal(&self, signal: Signal, to_group: bool) -> Result<()> {
        self.check_signal(signal)?;
        let ended = |run: &Run| run.link.current(|state| state.empty || state.lost);
        let run = self
            .up()
            .filter(|run| !ended(run))
            .ok_or_else(|| self.not_running("signalled"))?;
        run.link.signal(signal.as_raw(), to_group);
        Ok(())
    }

    pub(super) fn check_signal(&self, signal: Signal) -> Result<()> {
        signal
            .check()
            .map_err(|mistake| self.invalid_call("cannot receive this signal", &mistake))
    }

    pub(super) fn stop_plan(&self, signal: Signal) -> StopPlan {
        StopPlan {
            signal: signal.as_raw(),
            whole_tree: false,
            kill_signal: self.config.kill_signal.as_raw(),
            patience: self.config.stop_bound(),
            kill_patience: self.config.stop_bound(),
        }
    }

    /// Returns the ends that count as success if this signal stops the service.
    pub(super) fn expected(&self, signal: Signal) -> Expected {
        Expected {
            signal,
            code: self.config.expected_returncode,
            forced_by: None,
            sent: BTreeSet::new(),
        }
    }

    /// Fails if the service ended otherwise than expected. With `unless_sent`, an end by a signal that the test sent
    /// counts as expected.
    pub(super) fn judge(
        &self,
        ended: Option<Ended>,
        mut expected: Expected,
        unless_sent: bool,
    ) -> Result<()> {
        let Some(Ended { run, gone, asked }) = ended else {
            return Ok(());
        };
        expected.forced_by = gone.forced.then_some(self.config.kill_signal);
        // Another service may have been started since.
        let (exit, sent) = run
            .link
            .current(|state| (state.exit_of(run.number), state.sent.clone()));
        if unless_sent {
            expected.sent = sent;
        }
        match exit {
            Some(code) if !expected.accepts(code) => {
                run.link.drain();
                Err(self.finished_with_error(&run, &expected, asked))
            }
            _ => Ok(()),
        }
    }

    fn end(&self, plan: StopPlan) -> Result<Option<Ended>> {
        let _turn = self.turn();
        let _run_lock = self.run_lock()?;
        self.end_in_turn(plan, false)
    }

    /// Stops the process tree. The caller has the turn, and the run's lock if a run shares the service. With
    /// `comes_back`, the executor keeps the lease on a fixed port, because the service is about to start again.
    pub(super) fn end_in_turn(&self, plan: StopPlan, comes_back: bool) -> Result<Option<Ended>> {
        let Some(run) = self.up() else {
            self.stop_orphaned_service();
            // During an outage, the thread that ends the outage keeps the port.
            if !comes_back && !self.is_in_outage() {
                self.give_port_back();
            }
            return Ok(None);
        };
        let release = self.port_to_release().filter(|_| !comes_back);
        let asked = run
            .link
            .current(|state| state.exit_of(run.number).is_none());
        let Some(gone) = self.bring_down(&run, plan, release) else {
            // The lease ended with the supervisor.
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
        Ok(Some(Ended { run, gone, asked }))
    }

    /// Stops the process tree of this run, and then releases the lease on the port `release`, all in one round trip.
    /// Returns `None` if the supervisor was lost before it reported the result.
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
        let elapsed = begun.elapsed();
        run.emit_end(gone.as_ref(), elapsed);
        if let Some(gone) = gone.as_ref().filter(|gone| gone.survivors.is_empty()) {
            run.end_printing();
            self.report_slow_stop(plan, gone, elapsed);
        }
        // Another thread may have started the service again since this run was looked up.
        self.state(|state| state.is_down(run));
        gone
    }

    /// Prints a line at the first stop that had to kill or took long, unless the user's options asked for that.
    fn report_slow_stop(&self, plan: StopPlan, gone: &Gone, elapsed: Duration) {
        let signal = Signal::from_raw(plan.signal);
        let is_chosen = plan.whole_tree
            || signal == Signal::KILL
            || self.config.stop_timeout < Duration::from_secs(1);
        let is_slow = gone.forced || elapsed > SLOW;
        if is_chosen || !is_slow || self.state(|state| replace(&mut state.slow_stop, true)) {
            return;
        }
        let (title, command, time) = (self.title(), self.command(), seconds(elapsed));
        let command = command.lines().next().unwrap_or_default();
        let end = if gone.forced { ", and was killed" } else { "" };
        events::print_uncaptured(&format!(
            "mirakuru: `{command}` ({title}) took {time} to stop after {signal}{end}: \
             set `stop_signal` to a signal that the service obeys at once, or a shorter `stop_timeout`"
        ));
    }
}
