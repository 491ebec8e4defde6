//! What an executor has going: its supervisor, its port, and the latest start. `Core::state` gives access.

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
    /// The tests that share the executor, if any do.
    pub(super) fixture: Option<Scope>,
    pub(super) failures: Failures,
    /// The files of the run that shares the service.
    pub(super) place: Option<Arc<RunPlace>>,
    /// The run's lock, kept while a test has the service stopped.
    pub(super) kept_lock: Option<FileLock>,
    /// A line has said that a stop was slow.
    pub(super) slow_stop: bool,
    /// The values of placeholders with a dot.
    pub(super) bindings: BTreeMap<String, String>,
    /// The command of the latest start, with its placeholders filled in.
    pub(super) shown: Option<Arc<Shown>>,
    pub(super) run: Option<Run>,
}

impl State {
    /// The run that is up.
    pub(super) fn up(&self) -> Option<Run> {
        self.run.clone().filter(|run| run.up)
    }

    /// The address that answered the check of the latest start, without its port.
    pub(super) fn answered(&self) -> Option<String> {
        let of_the_run = || self.run.as_ref()?.context.answered();
        self.port.answered.clone().or_else(of_the_run)
    }

    /// The name by which the run knows the executor.
    pub(super) fn fixture_name(&self) -> Option<&'static str> {
        match self.fixture {
            Some(Scope::Run(name)) => Some(name),
            Some(Scope::Process) | None => None,
        }
    }

    /// The latest run, if it is still the one that the caller knows.
    pub(super) fn same(&mut self, known: &Run) -> Option<&mut Run> {
        let latest = self.run.as_mut();
        latest.filter(|latest| latest.context.start.number == known.context.start.number)
    }

    /// Notes that the run that the caller knows is not up any more. Leaves a newer run alone.
    pub(super) fn is_down(&mut self, known: &Run) {
        if let Some(latest) = self.same(known) {
            latest.up = false;
        }
    }
}
