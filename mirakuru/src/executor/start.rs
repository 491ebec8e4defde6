//! The start sequence: validate the configuration, claim the port, check that no service answers yet, spawn the
//! process, and wait until it is ready. If a step after the spawn fails, the process tree is gone before the caller
//! gets the error.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Executor;
use super::claim::Claim;
use super::core::Core;
use super::run::Run;
use crate::error::{Result, seconds};
use crate::events::{Step, first_line};
use crate::link::State;
use crate::protocol::Stream;
use crate::readiness::probe::{Probe, Question};
use crate::readiness::{Context, Readiness};
use crate::signal::describe_exit;
use crate::wait::Deadline;

/// How often a start is repeated with another free port, if an unrelated process took the first one.
const MOST_RETRIES: usize = 5;

/// # Start
impl<R: Readiness> Executor<R> {
    /// Starts the process and returns once it is ready. Returns an error as soon as the process can no longer become
    /// ready. Does nothing while the process runs. Concurrent starts spawn one process.
    ///
    /// A start leases a fixed port of this machine first, so that no other executor of any test process starts a
    /// service there. [`on_conflict`](Self::on_conflict) sets what happens if another executor holds the lease. The
    /// timeout counts from the moment at which this executor gets the lease. If an unrelated program takes the free
    /// port that `{port}` stands for, the start is repeated with another port, unless [`port`](Self::port) was
    /// called before.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60");
    /// service.start()?;
    /// let pid = service.pid();
    /// service.start()?; // Does nothing: the process runs.
    /// assert_eq!(service.pid(), pid);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `InvalidConfig`: the configuration contains a mistake.
    /// - `AlreadyRunning`: another process answers at the port, the socket or the URL of the service, or another
    ///   executor holds the lease on the fixed port.
    /// - `Spawn`: the program cannot be run.
    /// - `ProcessExitedWithError`: the process ended with an error before it was ready.
    /// - `TimeoutExpired`: the process was not ready within the timeout.
    /// - `Io`: the system refused a file or a process.
    ///
    /// After an error, no process of the tree is left.
    ///
    /// # Panics
    ///
    /// Panics if your own check panics. The process tree is gone before the panic reaches the caller.
    pub fn start(&self) -> Result<&Self> {
        self.act(Core::start)
    }

    /// Starts the process and returns the executor, as a running guard.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`start`](Self::start) does.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start) does.
    pub fn started(self) -> Result<Self> {
        self.start()?;
        Ok(self)
    }
}

impl Core {
    pub(crate) fn start(&self) -> Result<()> {
        let _turn = self.turn();
        let _run_lock = self.run_lock()?;
        // The end of the start releases the lock that an outage kept, even if a check panics.
        let _kept = self.state(|state| state.kept_lock.take());
        self.start_in_turn()
    }

    /// Starts the service. The caller has the turn, and the run's lock if a run shares the service.
    pub(super) fn start_in_turn(&self) -> Result<()> {
        if self.is_up() {
            return Ok(());
        }
        let mut deadline = Deadline::after(self.config.start_bound());
        // A check that the user wrote may panic.
        let started = catch_unwind(AssertUnwindSafe(|| self.start_by(&mut deadline)));
        if !matches!(started, Ok(Ok(()))) {
            self.give_port_back();
        }
        let started = started.unwrap_or_else(|panic| resume_unwind(panic));
        if let Err(error) = &started {
            self.state(|state| state.failures.why = error.in_short());
            let elapsed = deadline.elapsed();
            let (age, error) = (seconds(elapsed), first_line(error));
            self.emit(Step {
                elapsed: Some(elapsed),
                ..Step::debug(format!("failed after {age}: {error}"))
            });
        }
        started
    }

    fn start_by(&self, deadline: &mut Deadline) -> Result<()> {
        self.validate(*deadline)?;
        self.ensure_loopback()?;
        // A service that ended by itself may have left processes, which are killed first.
        match self.state(|state| state.up()) {
            Some(run) => drop(self.bring_down(&run, run.plan.hasty(), None)),
            None => self.stop_orphaned_service(),
        }
        // A queue for the port moves the deadline.
        match self.claim(*deadline)? {
            Claim::Ours(after_queue) => *deadline = after_queue,
            Claim::Reused => return Ok(()),
        }
        // This start counts as failed until it succeeds, because a check that panics is a failure too. If a run is to
        // share the service, it counts as failed until the run has it.
        self.state(|state| state.failures.count += 1);
        let mut retries = 0;
        loop {
            let Err(error) = self.attempt(*deadline) else {
                self.settle_ports();
                if self.shared_link().is_some() || self.state(|state| state.place.is_none()) {
                    self.state(|state| state.failures.count = 0);
                }
                return Ok(());
            };
            if retries == MOST_RETRIES || deadline.has_passed() || !self.changes_ports(&error) {
                return Err(error);
            }
            retries += 1;
            let error = first_line(&error);
            self.emit(Step::info(format!("tries another port: {error}")));
        }
    }

    /// Starts the service once, on its current port.
    fn attempt(&self, deadline: Deadline) -> Result<()> {
        let settled = self.settle(deadline)?;
        let probe = self.probe(&settled.context)?;
        if self.answers_already(&probe, &settled.context, deadline)? {
            return Err(self.already_running(&settled.context));
        }
        self.emit(Step::debug("starts".to_owned()));
        let run = self.spawn(settled, deadline)?;
        let await_ready = || self.await_ready(&run, &probe, deadline);
        let waited = catch_unwind(AssertUnwindSafe(await_ready));
        if let Ok(Ok(())) = waited {
            self.note_ready(&run, deadline);
            return Ok(());
        }
        run.keep_after_failure();
        let gone = self.bring_down(&run, run.plan.hasty(), None);
        // The error is created after the stop, so that it contains the last lines that the service printed.
        run.link.drain();
        let waited = waited.unwrap_or_else(|panic| resume_unwind(panic));
        waited.map_err(|failed| self.wait_failed(&run, *failed, None, gone))
    }

    fn note_ready(&self, run: &Run, deadline: Deadline) {
        self.state(|state| {
            if let Some(latest) = state.same(run) {
                latest.ready = true;
            }
        });
        let (pid, elapsed) = (run.pid, deadline.elapsed());
        let port = Some(run.context.port()).filter(|port| *port != 0);
        let at = port.map_or_else(String::new, |port| format!(", port {port}"));
        run.emit(Step {
            port,
            elapsed: Some(elapsed),
            ..Step::info(format!(
                "is ready after {}: pid {pid}{at}",
                seconds(elapsed)
            ))
        });
        // The captured groups and the beginnings of the streams, which other processes of the run cannot know.
        let begins = [Stream::Stdout, Stream::Stderr].map(|stream| {
            let capture = run.context.captured_stream(stream);
            capture.map_or(0, |capture| capture.begin())
        });
        run.link.report_ready(run.context.all_captured(), begins);
    }

    /// Starts the service for the tests of this process that share it, and starts it again if it has died.
    pub(crate) fn start_again_if_dead(&self) -> Result<()> {
        if self.is_up() && !self.is_in_outage() {
            return Ok(());
        }
        self.outside_outages(|| {
            let failures = self.failures();
            if failures.are_enough() {
                return Err(self.not_tried_again(&failures));
            }
            self.emit_death();
            self.start()
        })
    }

    /// Emits a warning if a service that no test stopped has ended.
    pub(super) fn emit_death(&self) {
        let Some(run) = self.up().filter(|_| !self.is_up()) else {
            return;
        };
        let exit = |state: &State| (state.exit_of(run.number), state.ending);
        if let (exit_code, false) = run.link.current(exit) {
            let code = exit_code.map(describe_exit).unwrap_or_default();
            run.emit(Step::warn(format!(
                "is not running any more, and is started again: {code}"
            )));
        }
    }

    /// Returns whether a start has no work left: the service was ready, runs, and no process stops it now. A daemon
    /// runs even if its main process ended with 0.
    pub(crate) fn is_up(&self) -> bool {
        let lives = |state: &State| {
            let may_live = state.exit.is_none_or(|code| code == 0 && !state.empty);
            may_live && !state.lost && !state.ending
        };
        let ready = self.up().filter(|run| run.ready);
        // Another process may start the next service between the lookup of the run and this one.
        let is_up = |run: Run| {
            let still = |state: &State| state.current() == run.number && lives(state);
            run.link.current(still)
        };
        ready.is_some_and(is_up) || self.still_answers()
    }

    pub(super) fn probe(&self, context: &Context) -> Result<Probe> {
        Probe::new(&self.check, context).map_err(|error| self.refused("start a thread", error))
    }

    /// Returns whether the check passes before the spawn.
    pub(super) fn answers_already(
        &self,
        probe: &Probe,
        context: &Context,
        deadline: Deadline,
    ) -> Result<bool> {
        match probe.ask(Question::BeforeStart, context, deadline, &|| false) {
            Some(answer) => Ok(answer.is_ok()),
            None => Err(self.no_answer_before_start(context, deadline)),
        }
    }
}
