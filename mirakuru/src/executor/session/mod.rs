//! What an executor has going: its supervisor, its port, and the latest start.
//!
//! Three locks, taken in this order. `outage` is held as long as a test has the service stopped, so
//! that no other one starts it meanwhile; `turn` for a whole start or stop, so that concurrent starts
//! spawn one process; `state` for moments only, so that looking never waits for a start. Between
//! `turn` and `state` comes the lock on the file by which a run shares it.

mod port;

use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::command::Prepared;
use crate::events::Step;
use crate::executor::run::Run;
use crate::link::Link;
use crate::locks::FileLock;
use crate::locks::lock_unless_lost;
use crate::locks::thread::{self, Turn};
use crate::port::Held;
use crate::protocol::{Gone, Service, StopPlan};
use crate::run::RunPlace;
use crate::run::Scope;
use crate::signal::Signal;
use crate::wait::Deadline;
use port::FreePort;

/// What an executor has going.
pub(in crate::executor) struct Session {
    /// The process that made the executor: in a forked child of it every call does nothing, as the
    /// supervisor serves the parent.
    owner: u32,
    outage: Turn,
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    /// The free port that stands for `{port}`, so that a restart finds the same.
    port: Option<FreePort>,
    /// The lease on the fixed port, and the name of the supervisor that has it.
    held: Option<(Held, String)>,
    /// Tests share it: it is not stopped before this ends.
    fixture: Option<Scope>,
    /// How often in a row tests that share it could not start it.
    failures: u32,
    /// Where the run shares it.
    place: Option<Arc<RunPlace>>,
    /// The run's lock, kept for an outage that a test makes.
    kept_lock: Option<FileLock>,
    /// Something that was there before is used.
    reused: bool,
    /// The command of the latest start, its placeholders filled in.
    command: Option<(String, Vec<String>)>,
    run: Option<Run>,
}

impl State {
    /// The latest run, where it is still the one that a caller has seen.
    fn same(&mut self, known: &Run) -> Option<&mut Run> {
        let latest = self.run.as_mut();
        latest.filter(|latest| latest.context.start() == known.context.start())
    }

    /// Whether the latest run is the one that a caller has seen, or there is still none.
    fn still_knows(&mut self, known: Option<&Run>) -> bool {
        match known {
            Some(run) => self.same(run).is_some(),
            None => self.run.is_none(),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            owner: std::process::id(),
            outage: Turn::default(),
            turn: Mutex::default(),
            state: Mutex::default(),
        }
    }
}

impl Session {
    pub(in crate::executor) fn is_foreign(&self) -> bool {
        self.owner != std::process::id()
    }

    /// The right to have it stopped for a while, or to start it for others beside such outages.
    pub(in crate::executor) fn outage(
        &self,
        queue: Deadline,
    ) -> Result<thread::Held<'_>, thread::Refusal> {
        self.outage.take(queue)
    }

    /// Whether a thread of this process has it stopped, or is about to.
    pub(in crate::executor) fn is_in_outage(&self) -> bool {
        self.outage.is_taken()
    }

    /// Whether this thread has it stopped.
    pub(in crate::executor) fn has_outage(&self) -> bool {
        self.outage.is_own()
    }

    /// The right to start or stop.
    pub(in crate::executor) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        static NOTHING: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);
        lock_unless_lost(&self.state, self.is_foreign())
            .unwrap_or_else(|| NOTHING.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::executor) fn run(&self) -> Option<Run> {
        self.state().run.clone()
    }

    /// The run that is up.
    pub(in crate::executor) fn up(&self) -> Option<Run> {
        self.run().filter(|run| run.up)
    }

    pub(in crate::executor) fn began(&self, run: Run) {
        self.state().run = Some(run);
    }

    pub(in crate::executor) fn note_ready(&self, run: &Run) {
        if let Some(latest) = self.state().same(run) {
            latest.ready = true;
        }
    }

    /// It is being started anew, by another test process or thread: what was known is of a service that
    /// is gone. What that thread has noted meanwhile stands.
    pub(in crate::executor) fn outdated(&self, known: Option<&Run>) {
        if let Some(run) = known
            && let Some(latest) = self.state().same(run)
        {
            latest.up = false;
        }
    }

    pub(in crate::executor) fn command(&self) -> Option<(String, Vec<String>)> {
        self.state().command.clone()
    }

    pub(in crate::executor) fn prepared(&self, prepared: &Prepared) {
        let words = prepared
            .words
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        self.state().command = Some((prepared.display(), words.collect()));
    }

    /// The supervisor; a new one where there is none, or somebody killed it.
    pub(in crate::executor) fn link(&self, deadline: Deadline) -> io::Result<Arc<Link>> {
        let known = self.state().link.clone();
        if let Some(link) = known.filter(|link| !link.look(|state| state.lost)) {
            return Ok(link);
        }
        let link = Link::open(deadline)?;
        let former = {
            let mut state = self.state();
            // The lease went with the supervisor that had it.
            state.held = None;
            state.link.replace(Arc::clone(&link))
        };
        if let Some(former) = former {
            former.close();
        }
        Ok(link)
    }

    pub(in crate::executor) fn reuse(&self) {
        self.state().reused = true;
    }

    /// Whether the run shares it, by this link.
    pub(in crate::executor) fn shared_link(&self) -> Option<Arc<Link>> {
        let state = self.state();
        state.link.clone().filter(|link| link.is_shared())
    }

    pub(in crate::executor) fn place(&self) -> Option<Arc<RunPlace>> {
        self.state().place.clone()
    }

    pub(in crate::executor) fn settle_in(&self, place: Arc<RunPlace>) {
        self.state().place = Some(place);
    }

    pub(in crate::executor) fn become_fixture(&self, scope: Scope) {
        self.state().fixture = Some(scope);
    }

    /// By which the run knows it.
    pub(in crate::executor) fn fixture_name(&self) -> Option<&'static str> {
        match self.state().fixture {
            Some(Scope::Run(name)) => Some(name),
            Some(Scope::Process) | None => None,
        }
    }

    pub(in crate::executor) fn is_fixture(&self) -> bool {
        self.state().fixture.is_some()
    }

    pub(in crate::executor) fn failures(&self) -> u32 {
        self.state().failures
    }

    pub(in crate::executor) fn note_failure(&self) {
        self.state().failures += 1;
    }

    pub(in crate::executor) fn forget_failures(&self) {
        self.state().failures = 0;
    }

    /// The lock of an outage is given back when this is dropped, also where a check panics.
    pub(in crate::executor) fn kept_until_then(&self) -> impl Drop {
        struct GivesBack<'a>(&'a Session);

        impl Drop for GivesBack<'_> {
            fn drop(&mut self) {
                self.0.keep_lock(None);
            }
        }

        GivesBack(self)
    }

    pub(in crate::executor) fn keep_lock(&self, lock: Option<FileLock>) {
        self.state().kept_lock = lock;
    }

    pub(in crate::executor) fn has_lock(&self) -> bool {
        self.state().kept_lock.is_some()
    }

    /// A service that another test process started, in place of what was known before; not where another
    /// thread has noted a newer one meanwhile.
    pub(in crate::executor) fn adopt(&self, run: Run, service: Service, known: Option<&Run>) {
        let mut state = self.state();
        if !state.still_knows(known) {
            return;
        }
        let words = service.words.iter();
        let words = words.map(|word| word.to_string_lossy().into_owned());
        state.command = Some((service.command, words.collect()));
        if let Some(port) = service.port {
            state.port = Some(FreePort {
                port,
                leased_by: run.link.name().to_owned(),
                told: true,
            });
        }
        let former = state.link.replace(Arc::clone(&run.link));
        state.run = Some(run);
        drop(state);
        // One of a start of this process's own, that failed.
        if let Some(former) = former.filter(|former| !former.is_shared()) {
            former.close();
        }
    }

    /// A supervisor of the run whose service nobody made ready: it is to have another.
    pub(in crate::executor) fn take_over(&self, link: &Arc<Link>) {
        self.state().link = Some(Arc::clone(link));
    }

    pub(in crate::executor) fn is_reused(&self) -> bool {
        self.state().reused
    }

    /// Brings the tree of this run down, and then gives the lease on the port `release` back; `None` if the supervisor could not say how that went.
    pub(in crate::executor) fn bring_down(
        &self,
        run: &Run,
        plan: StopPlan,
        release: Option<u16>,
    ) -> Option<Gone> {
        let begun = Deadline::after(plan.patience);
        run.tell(&Step::Stops {
            pid: run.pid,
            signal: Signal::from_raw(plan.signal),
        });
        let gone = run.link.stop(plan, release);
        run.tell_of_end(gone.as_ref(), begun.elapsed());
        // Another thread may have started it again since this run was looked up.
        if let Some(latest) = self.state().same(run) {
            latest.up = false;
        }
        gone
    }
}

impl Drop for Session {
    /// Stops what is up, at once while panicking, and ends the supervisor. What fails is a warning:
    /// drop never panics.
    fn drop(&mut self) {
        if self.is_foreign() {
            return;
        }
        if let Some(run) = self.up() {
            let plan = if std::thread::panicking() {
                run.keep_after_failure();
                run.plan.kill()
            } else {
                run.plan
            };
            self.bring_down(&run, plan, None);
        }
        let link = self.state().link.take();
        if let Some(link) = link {
            link.close();
        }
    }
}
