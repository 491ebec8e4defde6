//! The part of an executor that does not depend on the type of its check: `Core`.
//!
//! This file also has the rules on which process and which thread may act: the fork gate, the turn, and the run's
//! lock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Config;
use super::state::State;
use crate::command::{CommandLine, Shown};
use crate::environment::{self, Keep};
use crate::error::{Error, Result};
use crate::events::{self, Step};
use crate::link::{Home, Link};
use crate::locks::{FileLock, Owner, Refusal, ThreadLock, TurnGuard, lock_unless_lost};
use crate::port;
use crate::readiness::Readiness;
use crate::run::{self, RunPlace, Scope};
use crate::wait::Deadline;

/// An executor without the type of its check.
pub(crate) struct Core {
    pub(super) config: Config,
    pub(super) check: Arc<dyn Readiness>,
    /// The checks that follow the executor's own check. `check` contains them.
    pub(super) also: Vec<Arc<dyn Readiness>>,
    /// The process that created the executor. The supervisor serves that process alone.
    owner: Owner,
    // `locks/mod.rs` lists these three locks and their order.
    outage: ThreadLock,
    turn: Mutex<()>,
    state: Mutex<State>,
    /// The port that `{port}` stands for, once it is settled, else 0. A forked child reads it, because `state` may
    /// be lost there.
    pub(super) settled_port: AtomicU16,
}

// A check that panics leaves no half-changed state here: each start asks the check from the beginning.
impl std::panic::UnwindSafe for Core {}
impl std::panic::RefUnwindSafe for Core {}

impl Core {
    pub(super) fn new(kind: &'static str, command: CommandLine, check: Arc<dyn Readiness>) -> Self {
        Self {
            config: Config::new(kind, command),
            check,
            also: Vec::new(),
            owner: Owner::this_process(),
            outage: ThreadLock::default(),
            turn: Mutex::default(),
            state: Mutex::default(),
            settled_port: AtomicU16::new(0),
        }
    }

    /// Returns `None` in a forked child of the process that created the executor, where every handle does nothing.
    /// Every method that acts passes this gate first.
    pub(crate) fn unless_forked(&self) -> Option<&Self> {
        self.owner.is_this_process().then_some(self)
    }

    /// Reads or changes the state for a moment. Returns the default in a forked child if another thread of
    /// the parent held the lock at the fork.
    pub(super) fn state<T: Default>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let state = lock_unless_lost(&self.state, self.unless_forked().is_none());
        state.map(|mut state| act(&mut state)).unwrap_or_default()
    }

    /// Waits for the turn, the right to start and to stop.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the right to keep the service stopped, or to start it for other tests outside of outages. Returns `None`
    /// if this thread has that right already.
    pub(super) fn take_outage(&self) -> Result<Option<TurnGuard<'_>>> {
        let queue = Deadline::after(environment::queue_bound());
        match self.outage.take(queue) {
            Ok(outage) => Ok(Some(outage)),
            Err(Refusal::Own) => Ok(None),
            Err(refusal) => Err(self.not_locked(refusal.why(), queue)),
        }
    }

    /// Returns whether a thread of this process keeps the service stopped, or starts it for other tests.
    pub(super) fn is_in_outage(&self) -> bool {
        self.outage.is_taken()
    }

    /// Calls `start` for a test that shares the service, once no other thread keeps the service stopped.
    /// Does nothing if this thread keeps it stopped.
    pub(super) fn outside_outages(&self, start: impl FnOnce() -> Result<()>) -> Result<()> {
        let outside = self.take_outage()?;
        outside.map_or(Ok(()), |_outside| start())
    }

    /// Returns the reason why this thread cannot lock the fixture, if there is one.
    pub(crate) fn lock_is_out_of_place(&self) -> Option<&'static str> {
        if self.unless_forked().is_none() {
            return Some("a forked child cannot use the fixtures that its parent shares");
        }
        let own = self.outage.is_own();
        own.then_some("this thread has stopped the service already: take the lock first, then stop the service")
    }

    /// Takes the run's lock. Returns `None` if no run shares the service, or if an outage holds the lock.
    pub(super) fn run_lock(&self) -> Result<Option<FileLock>> {
        let place = self.state(|state| {
            let place = state.place.clone();
            place.filter(|_| state.kept_lock.is_none())
        });
        place.map(|place| self.lock(&place)).transpose()
    }

    pub(super) fn lock(&self, place: &RunPlace) -> Result<FileLock> {
        self.lock_file(&place.lock(), Deadline::after(environment::queue_bound()))
    }

    pub(crate) fn lock_file(&self, path: &Path, queue: Deadline) -> Result<FileLock> {
        FileLock::take(path, queue).map_err(|error| {
            let why = format!("failed to take a lock of the shared fixture: {error}");
            self.not_locked(&why, queue)
        })
    }

    /// Returns the supervisor. Starts a new one if there is none, or if the former one was killed.
    pub(super) fn link(&self) -> Result<Arc<Link>> {
        let (known, place) = self.state(|state| (state.link.clone(), state.place.clone()));
        if let Some(link) = &known {
            if !link.current(|state| state.lost) {
                return Ok(Arc::clone(link));
            }
            // A supervisor of the run may still live: it drops a client that does not read.
            let place = place.filter(|_| link.is_shared());
            if let Some(link) = place.map(|place| self.reach(&place)).transpose()?.flatten() {
                drop(self.state(|state| state.link.replace(Arc::clone(&link))));
                return Ok(link);
            }
        }
        run::sweep_once(port::remove_leftovers);
        let link = Link::open(self.home());
        let link = link.map_err(|error| self.refused("start a supervisor", error))?;
        // The former supervisor held the lease on the fixed port, so the claim ends with it.
        let (_claim, former) = self.state(|state| {
            (
                state.port.drop_claim(),
                state.link.replace(Arc::clone(&link)),
            )
        });
        if let Some(former) = former {
            self.close(&former);
        }
        Ok(link)
    }

    /// Ends a supervisor. Prints a line if files of the private directory could not be removed.
    pub(super) fn close(&self, link: &Arc<Link>) {
        if let Err(left) = link.close() {
            self.emit(Step::warn(format!("left {left}")));
            let (title, command) = (self.title(), self.command());
            let command = command.lines().next().unwrap_or_default();
            events::print_uncaptured(&format!("mirakuru: `{command}` ({title}) left {left}"));
        }
    }

    /// Returns the parent of the private directory, and whether the directory stays if the supervisor is killed.
    pub(super) fn home(&self) -> Home {
        Home {
            parent: self.config.parent_of_tmpdir(),
            stays: self.config.keep() != Keep::Nothing,
        }
    }

    /// Returns the supervisor, if a run shares it.
    pub(super) fn shared_link(&self) -> Option<Arc<Link>> {
        let link = self.state(|state| state.link.clone());
        link.filter(|link| link.is_shared())
    }

    /// Returns the private directory. The first call creates it.
    pub(super) fn directory(&self, link: &Link, deadline: Deadline) -> Result<PathBuf> {
        match link.directory(deadline) {
            Some(Ok(directory)) => {
                if self.config.keep() == Keep::All {
                    link.keep();
                }
                Ok(directory)
            }
            Some(Err(failure)) => Err(self.no_directory(&failure)),
            // This start gives the silent supervisor up, or the next start would wait for it too.
            None if !link.current(|state| state.lost) => {
                link.give_up();
                Err(self.not_spawned_in_time(deadline))
            }
            None => Err(self.without_supervisor(link)),
        }
    }

    /// Kills the processes that a lost supervisor left, and returns the error.
    pub(super) fn without_supervisor(&self, link: &Link) -> Error {
        let swept = link.swept();
        match link.came_up() {
            Ok(()) => self.lost(swept),
            Err(error) => self.refused("start a supervisor", error),
        }
    }

    /// Returns the human-readable command: as written before the first start, then with its placeholders filled in.
    pub(super) fn shown(&self) -> Arc<Shown> {
        let filled = self.state(|state| state.shown.clone());
        filled.unwrap_or_else(|| Arc::clone(&self.config.command.shown))
    }

    pub(super) fn command(&self) -> Arc<str> {
        Arc::clone(&self.shown().line)
    }

    /// Returns the human-readable name: the given name, else that of the fixture, else the kind.
    pub(super) fn title(&self) -> &str {
        let given = self.config.name.as_deref();
        let fixture = || self.state(|state| state.fixture_name());
        given.or_else(fixture).unwrap_or(self.config.kind)
    }

    /// Returns whether the title is a name, and not the kind.
    pub(super) fn is_named(&self) -> bool {
        self.title() != self.config.kind
    }

    pub(super) fn emit(&self, step: Step) {
        let command = || self.command().as_ref().to_owned();
        events::emit(step, self.title(), self.is_named(), command);
    }

    /// Returns the name that the user gave.
    pub(crate) fn given_name(&self) -> Option<&str> {
        self.config.name.as_deref()
    }

    pub(crate) fn become_fixture(&self, scope: Scope) {
        self.state(|state| state.fixture = Some(scope));
    }
}

impl Drop for Core {
    /// Stops the service, within two seconds during a panic, and ends the supervisor. A failure is a warning
    /// event: drop never panics.
    fn drop(&mut self) {
        if self.unless_forked().is_none() {
            return;
        }
        if let Some(run) = self.state(|state| state.up()) {
            let plan = if std::thread::panicking() {
                run.keep_after_failure();
                run.plan.hasty()
            } else {
                run.plan
            };
            self.bring_down(&run, plan, None);
        }
        if let Some(link) = self.state(|state| state.link.take()) {
            self.close(&link);
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.command())
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.config.kind)
            .field("command", &self.command())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
