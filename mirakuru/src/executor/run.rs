//! One start of an executor, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use crate::environment::{self, Keep};
use crate::events::{self, Step};
use crate::link::Link;
use crate::protocol::{Gone, StopPlan};
use crate::readiness::Context;

/// The latest start.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) link: Arc<Link>,
    pub(super) pid: u32,
    /// Which service of its supervisor it is.
    pub(super) number: u64,
    pub(super) context: Context,
    /// The stop that a drop makes.
    pub(super) plan: StopPlan,
    /// It was started, and neither stopped nor killed since.
    pub(super) up: bool,
    /// It was ready once: who shares it may have it.
    pub(super) ready: bool,
    /// What the executor is called.
    pub(super) title: Arc<str>,
}

/// One service among all: the name of its supervisor, and its number there.
#[cfg(feature = "macros")]
pub(crate) type Which = (String, u64);

impl Run {
    pub(super) fn tell(&self, step: &Step<'_>) {
        events::tell(step, &self.title, || self.context.command().to_owned());
    }

    /// Where its files stay.
    pub(super) fn tell_of_files(&self) {
        if let Some(directory) = &self.context.place().tmpdir {
            let directory = directory.display().to_string();
            self.tell(&Step::Keeps { directory });
        }
    }

    /// Something failed: before it is stopped, so that the supervisor knows in time.
    pub(super) fn keep_after_failure(&self) {
        if environment::keep() == Keep::OfFailures {
            self.link.keep();
            self.tell_of_files();
        }
    }

    pub(super) fn tell_of_end(&self, gone: Option<&Gone>, elapsed: Duration) {
        let pid = self.pid;
        match gone {
            None => self.tell(&Step::Lost { pid }),
            Some(gone) if !gone.survivors.is_empty() => {
                let survivors = &listed(&gone.survivors);
                self.tell(&Step::Survived { pid, survivors });
            }
            Some(gone) => {
                if gone.forced {
                    self.tell(&Step::Killed { pid });
                }
                let exit_code = self.link.look(|state| state.exit);
                self.tell(&Step::Gone {
                    pid,
                    exit_code,
                    elapsed,
                });
            }
        }
    }
}

/// Processes, each by pid and command.
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
