//! The one start sequence: look through the configuration, see that nothing is there yet, spawn,
//! and wait until ready, dead or overdue. Whatever fails after the spawn, the tree is gone before
//! the caller hears of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Executor;
use super::claim::Claim;
use super::report::InVain;
use super::run::Run;
use crate::command::{Place, Prepared};
use crate::environment::{self, Keep};
use crate::error::Result;
use crate::events::Step;
use crate::link::{Link, State};
use crate::protocol::StopPlan;
use crate::readiness::probe::{Answer, Probe, Question};
use crate::readiness::{Context, Readiness, Situation};
use crate::wait::Deadline;

/// How often a free port is changed for another, as a stranger came first.
const MOST_MOVES: usize = 5;

/// How often a start that fails is tried for those who share it, by one test after the other.
pub(super) const MOST_FAILURES: u32 = 3;

/// # Start
impl<R: Readiness> Executor<R> {
    /// Starts the process and returns once it is ready, or as soon as it can no longer become ready.
    /// Does nothing while the process runs. Concurrent starts spawn one process.
    ///
    /// A fixed port of this machine is leased first, so that no other executor of any test process
    /// starts something there. [`on_conflict`](Self::on_conflict) sets what happens if another
    /// executor holds the lease. The timeout counts from the moment the lease is held. If an unrelated
    /// program takes the free port that stands for `{port}`, the start is repeated with another one,
    /// unless [`port`](Self::port) was called before.
    ///
    /// # Errors
    ///
    /// - `InvalidConfig`: the configuration contains a mistake.
    /// - `AlreadyRunning`: something answers at the port, the socket or the URL before the start.
    /// - `Spawn`: the program cannot be run.
    /// - `ProcessExitedWithError`: the process ended with an error before it was ready.
    /// - `TimeoutExpired`: the process was not ready within the timeout.
    /// - `Io`: the system refused a descriptor, a file or a process.
    ///
    /// After an error, no process of the tree is left.
    ///
    /// # Panics
    ///
    /// Panics if a check of your own panics. The process tree is gone by then.
    pub fn start(&self) -> Result<&Self> {
        if self.session.is_foreign() {
            return Ok(self);
        }
        let _turn = self.session.turn();
        let _exclusive = self.exclusive()?;
        let _lock = self.session.kept_until_then();
        self.start_in_turn()
    }

    /// The start of who has the turn, and the run's lock where the run shares it.
    pub(super) fn start_in_turn(&self) -> Result<&Self> {
        if self.is_up() {
            return Ok(self);
        }
        let mut deadline = Deadline::after(self.config.start_bound());
        let started = self.start_by(&mut deadline);
        if let Err(error) = &started {
            self.tell(&Step::Failed {
                error,
                elapsed: deadline.elapsed(),
            });
        }
        started.map(|()| self)
    }

    fn start_by(&self, deadline: &mut Deadline) -> Result<()> {
        self.look_through(*deadline)?;
        self.clear_remains();
        // The clock begins anew where it had to queue.
        match self.claim(*deadline)? {
            Claim::Ours(anew) => *deadline = anew,
            Claim::Reused => return Ok(()),
        }
        let mut moves = 0;
        loop {
            let Err(error) = self.attempt(*deadline) else {
                self.session.tell_port();
                self.session.forget_failures();
                return Ok(());
            };
            if moves == MOST_MOVES || deadline.has_passed() || !self.has_to_move(&error) {
                self.session.note_failure();
                self.give_back();
                return Err(error);
            }
            moves += 1;
            self.tell(&Step::Moves { error: &error });
            self.session.forget_port();
        }
    }

    /// One start, on the port that is its own.
    fn attempt(&self, deadline: Deadline) -> Result<()> {
        let (link, context, prepared) = self.settle(deadline)?;
        self.see_that_nothing_is_there(&context, deadline)?;
        self.tell(&Step::Starts);
        let run = self.spawn(&link, &context, prepared, deadline)?;
        let ready = self.await_ready(&run, deadline);
        if let Err(unready) = ready {
            let mut wait = InVain::new(&run, None, deadline);
            run.keep_after_failure();
            wait.gone = self.session.bring_down(&run, run.plan.kill(), None);
            // Told after the kill: what it printed last belongs to the story.
            return Err(self.unready(unready, &wait));
        }
        self.session.note_ready(&run);
        run.tell(&Step::Ready {
            pid: run.pid,
            port: run.context.port(),
            elapsed: deadline.elapsed(),
        });
        Self::report_ready(&run);
        Ok(())
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
    pub fn started(self) -> Result<Self> {
        self.start()?;
        Ok(self)
    }

    /// A start for whoever shares it, which says so where the service has died since.
    pub(crate) fn start_again_if_dead(&self) -> Result<()> {
        if self.session.is_foreign() {
            return Ok(());
        }
        if self.is_up() && !self.session.is_in_outage() {
            return Ok(());
        }
        self.beside_outages(|| {
            let failures = self.session.failures();
            if failures >= MOST_FAILURES {
                return Err(self.not_tried_again(failures));
            }
            self.tell_of_death();
            self.start().map(drop)
        })
    }

    /// That a service ended by itself which nobody had stopped.
    pub(super) fn tell_of_death(&self) {
        let stands = |state: &State| (state.exit, state.ending);
        if let Some(run) = self.up().filter(|_| !self.is_up())
            && let (exit_code, false) = run.link.look(stands)
        {
            run.tell(&Step::Died { exit_code });
        }
    }

    /// Whether a start would have nothing to do: the service is ready and runs, be it as a daemon whose
    /// main process ended well, and is not on its way down.
    pub(crate) fn is_up(&self) -> bool {
        let lives = |state: &State| match state.exit {
            None => !state.lost && !state.ending,
            Some(code) => code == 0 && !state.empty && !state.lost && !state.ending,
        };
        let ready = self.up().filter(|run| run.ready);
        ready.is_some_and(|run| run.link.look(lives)) || self.still_answers()
    }

    /// What a service that ended by itself left running.
    fn clear_remains(&self) {
        if let Some(run) = self.session.up() {
            self.session.bring_down(&run, StopPlan::ABRUPT, None);
        } else {
            self.end_what_nobody_knows();
        }
    }

    pub(super) fn see_that_nothing_is_there(
        &self,
        context: &Context,
        deadline: Deadline,
    ) -> Result<()> {
        let probe = Probe::new(&self.readiness, context)
            .map_err(|error| self.refused("start a thread", error))?;
        match probe.ask(Question::BeforeStart, context, deadline, || false) {
            Answer::NotReady(_) | Answer::Taken(_) => Ok(()),
            Answer::Ready => Err(self.already_running(context)),
            Answer::Overdue => Err(self.overdue_before_start(context, deadline)),
            Answer::Panicked(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn spawn(
        &self,
        link: &Arc<Link>,
        before: &Context,
        prepared: Prepared,
        deadline: Deadline,
    ) -> Result<Run> {
        let (order, fds, captures) = self
            .order(link, prepared, before.place(), deadline)
            .map_err(|error| self.refused("prepare its streams", error))?;
        let [stdout, stderr] = captures;
        for capture in [&stdout, &stderr].into_iter().flatten() {
            capture.attach(link);
        }
        let plan = order.farewell;
        let place = before.place().clone();
        let pid = match link.launch(order, &fds, deadline) {
            Some(Ok(pid)) => pid,
            Some(Err(failure)) => return Err(self.not_spawned(&failure)),
            None => return Err(self.no_answer_to_launch(link, deadline)),
        };
        let context = Context::new(Situation {
            pid: Some(pid),
            stdout,
            stderr,
            ..self.situation(place.clone(), Some(Arc::clone(link)), deadline)
        });
        let run = Run {
            link: Arc::clone(link),
            pid,
            number: link.known(State::current),
            context,
            plan,
            up: true,
            ready: false,
            title: self.title().into(),
        };
        run.tell(&Step::Spawned { pid });
        if environment::keep() == Keep::All {
            run.tell_of_files();
        }
        self.session.began(run.clone());
        Ok(run)
    }

    pub(super) fn situation(
        &self,
        place: Place,
        link: Option<Arc<Link>>,
        deadline: Deadline,
    ) -> Situation {
        static STARTS: AtomicU64 = AtomicU64::new(1);
        Situation {
            start: STARTS.fetch_add(1, Ordering::Relaxed),
            place,
            command: self.command().into(),
            link,
            pid: None,
            stdout: None,
            stderr: None,
            deadline,
            captured: Mutex::new(BTreeMap::new()),
        }
    }
}
