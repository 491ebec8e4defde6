//! The changing state of an executor: its supervisor, its ports, and the latest start. `Core::state` locks it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known_ports::Port;
use super::run::Run;
use crate::command::Shown;
use crate::link::Link;
use crate::locks::FileLock;
use crate::run::{Failures, RunPlace, Scope};

#[derive(Default)]
pub(super) struct State {
    pub(super) link: Option<Arc<Link>>,
    pub(super) port: Port,
    /// The scope in which tests share the executor, if it is a shared fixture.
    pub(super) fixture: Option<Scope>,
    pub(super) failures: Failures,
    /// The files of the run that shares the service.
    pub(super) place: Option<Arc<RunPlace>>,
    /// The run's lock, held while a test keeps the service stopped.
    pub(super) kept_lock: Option<FileLock>,
    /// Whether a line has reported a slow stop.
    pub(super) slow_stop: bool,
    /// The values of placeholders with a dot.
    pub(super) bindings: BTreeMap<String, String>,
    /// The command of the latest start, with its placeholders filled in.
    pub(super) shown: Option<Arc<Shown>>,
    pub(super) run: Option<Run>,
}

impl State {
    /// Returns the run that is up.
    pub(super) fn up(&self) -> Option<Run> {
        self.run.clone().filter(|run| run.up)
    }

    /// Returns the address that answered the check of the latest start, without its port.
    pub(super) fn answered(&self) -> Option<String> {
        let of_the_run = || self.run.as_ref()?.context.answered();
        self.port.answered.clone().or_else(of_the_run)
    }

    /// Returns the name of the shared fixture in the run.
    pub(super) fn fixture_name(&self) -> Option<&'static str> {
        match self.fixture {
            Some(Scope::Run(name)) => Some(name),
            Some(Scope::Process) | None => None,
        }
    }

    /// Returns the latest run, if it is still the one that the caller knows.
    pub(super) fn same(&mut self, known: &Run) -> Option<&mut Run> {
        let latest = self.run.as_mut();
        latest.filter(|latest| latest.context.start.number == known.context.start.number)
    }

    /// Notes that the run that the caller knows has ended. Leaves a newer run alone.
    pub(super) fn is_down(&mut self, known: &Run) {
        if let Some(latest) = self.same(known) {
            latest.up = false;
        }
    }
}
