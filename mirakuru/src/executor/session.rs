//! What an executor has going: its supervisor, its port, and the latest start.
//!
//! Two locks. `turn` is held for a whole start or stop, so that concurrent starts spawn one
//! process; `state` for moments only, so that looking never waits for a start.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::warn_about;
use crate::command::Prepared;
use crate::port;
use crate::readiness::Context;
use crate::supervisor::link::Link;
use crate::supervisor::protocol::{Gone, StopPlan};
use crate::wait::Deadline;

/// What an executor has going.
pub(super) struct Session {
    /// The process that made the executor: in a forked child of it every call does nothing, as the
    /// supervisor serves the parent.
    owner: u32,
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    /// Picked once, so that a restart finds the same.
    port: Option<u16>,
    /// The command of the latest start, its placeholders filled in.
    command: Option<(String, Vec<String>)>,
    run: Option<Run>,
}

/// The latest start.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) link: Arc<Link>,
    pub(super) pid: u32,
    pub(super) context: Context,
    /// The stop that a drop makes.
    pub(super) plan: StopPlan,
    /// A pid file that is not there before a start, so ours to remove after the tree's end.
    pub(super) pid_file: Option<PathBuf>,
    /// It was started, and neither stopped nor killed since.
    pub(super) up: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            owner: std::process::id(),
            turn: Mutex::default(),
            state: Mutex::default(),
        }
    }
}

impl Session {
    pub(super) fn is_foreign(&self) -> bool {
        self.owner != std::process::id()
    }

    /// The right to start or stop.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run(&self) -> Option<Run> {
        self.state().run.clone()
    }

    /// The run that is up.
    pub(super) fn up(&self) -> Option<Run> {
        self.run().filter(|run| run.up)
    }

    pub(super) fn began(&self, run: Run) {
        self.state().run = Some(run);
    }

    pub(super) fn command(&self) -> Option<(String, Vec<String>)> {
        self.state().command.clone()
    }

    pub(super) fn prepared(&self, prepared: &Prepared) {
        let words = prepared
            .words
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        self.state().command = Some((prepared.display(), words.collect()));
    }

    /// The supervisor; a new one where there is none, or somebody killed it.
    pub(super) fn link(&self, deadline: Deadline) -> io::Result<Arc<Link>> {
        let known = self.state().link.clone();
        if let Some(link) = known.filter(|link| !link.look(|state| state.lost)) {
            return Ok(link);
        }
        let link = Link::open(deadline)?;
        let former = self.state().link.replace(Arc::clone(&link));
        if let Some(former) = former {
            former.close();
        }
        Ok(link)
    }

    /// The port for `{port}` where none was given.
    pub(super) fn port(&self) -> io::Result<u16> {
        let mut state = self.state();
        if let Some(port) = state.port {
            return Ok(port);
        }
        Ok(*state.port.insert(port::pick()?))
    }

    /// Brings the tree of this run down; `None` if the supervisor could not say how that went.
    pub(super) fn bring_down(&self, run: &Run, plan: StopPlan) -> Option<Gone> {
        let gone = run.link.stop(plan);
        // Another thread may have started it again since this run was looked up.
        if let Some(latest) = &mut self.state().run
            && latest.context.start() == run.context.start()
        {
            latest.up = false;
        }
        if let Some(pid_file) = &run.pid_file {
            // Left by a process that was killed; it would be taken for a running one.
            let _ = std::fs::remove_file(pid_file);
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
                StopPlan::ABRUPT
            } else {
                run.plan
            };
            let gone = self.bring_down(&run, plan);
            warn_about(&run, gone.as_ref());
        }
        let link = self.state().link.take();
        if let Some(link) = link {
            link.close();
        }
    }
}
