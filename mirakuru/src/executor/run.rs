//! One start of an executor, and its events.

use std::sync::Arc;
use std::time::Duration;

use crate::environment::Keep;
use crate::events::{self, Step};
use crate::link::Link;
use crate::protocol::{Gone, StopPlan};
use crate::readiness::Context;

/// The latest start.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) link: Arc<Link>,
    pub(super) pid: u32,
    /// The number of the service at its supervisor.
    pub(super) number: u64,
    pub(super) context: Context,
    /// The stop that a drop makes.
    pub(super) plan: StopPlan,
    /// The service was neither stopped nor killed since its start.
    pub(super) up: bool,
    /// The service was ready once, so tests that share it may have it.
    pub(super) ready: bool,
    /// Whose files stay.
    pub(super) keep: Keep,
    /// The executor's name for people.
    pub(super) title: Arc<str>,
}

/// Identifies one service among all: the name of its supervisor, and its number there.
#[cfg(feature = "macros")]
pub(crate) type ServiceId = (String, u64);

impl Run {
    /// Returns whether this is the same service. Each supervisor counts its services from 1.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.number == other.number && self.link.name() == other.link.name()
    }

    pub(super) fn emit(&self, step: &Step<'_>) {
        events::tell(step, &self.title, || {
            self.context.command().as_ref().to_owned()
        });
    }

    /// Emits the directory in which its files stay.
    pub(super) fn announce_files(&self) {
        if let Some(directory) = &self.context.place().tmpdir {
            let directory = directory.display().to_string();
            self.emit(&Step::Keeps { directory });
        }
    }

    /// Keeps the files after a failure, if the user wants those of failures. Called before a stop, so that
    /// the supervisor knows in time.
    pub(super) fn keep_after_failure(&self) {
        if self.keep == Keep::OfFailures {
            self.link.keep();
            self.announce_files();
        }
    }

    pub(super) fn emit_end(&self, gone: Option<&Gone>, elapsed: Duration) {
        let pid = self.pid;
        match gone {
            None => self.emit(&Step::Lost { pid }),
            Some(gone) if !gone.survivors.is_empty() => {
                let survivors = &listed(&gone.survivors);
                self.emit(&Step::Survived { pid, survivors });
            }
            Some(gone) => {
                if gone.forced {
                    self.emit(&Step::Killed { pid });
                }
                let exit_code = self.link.look(|state| state.exit_of(self.number));
                self.emit(&Step::Gone {
                    pid,
                    exit_code,
                    elapsed,
                });
            }
        }
    }
}

/// Lists processes, each by pid and command.
pub(super) fn listed(processes: &[(u32, String)]) -> String {
    let told: Vec<_> = processes
        .iter()
        .take(10)
        .map(|(pid, command)| format!("pid {pid}: {command}"))
        .collect();
    let more = processes.len().saturating_sub(told.len());
    if more > 0 {
        format!("{}; and {more} more", told.join("; "))
    } else {
        told.join("; ")
    }
}
