//! The options of an executor as the user wrote them, and the values that follow from them on this machine: the
//! scaled timeouts, the parent of the private directory, and whether its files stay.

use std::path::PathBuf;
#[cfg(feature = "services")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "services")]
use super::provision::Provision;
use crate::command::{Command, CommandLine, EnvChange, Shape, Template};
use crate::environment::{self, Keep};
use crate::paths;
use crate::port::OnConflict;
use crate::run;
use crate::signal::Signal;
use crate::sys;
#[cfg(feature = "services")]
use crate::tmpdir;

/// The command and the options, without the check.
pub(super) struct Config {
    pub(super) kind: &'static str,
    pub(super) command: Command,
    pub(super) name: Option<String>,
    pub(super) shape: Shape,
    pub(super) log_file: Option<Template>,
    /// The parent of the private directory.
    pub(super) tmpdir_parent: Option<PathBuf>,
    pub(super) keep: Option<bool>,
    pub(super) timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) poll_interval: Option<Duration>,
    pub(super) stop_signal: Signal,
    pub(super) kill_signal: Signal,
    pub(super) expected_returncode: Option<i32>,
    pub(super) on_conflict: Option<OnConflict>,
    /// The program and the files that a ready-made service adds to each start.
    #[cfg(feature = "services")]
    pub(super) provision: Option<Arc<dyn Provision>>,
}

impl Config {
    pub(super) fn new(kind: &'static str, command: CommandLine) -> Self {
        let shape = Shape {
            cwd: command.cwd.as_ref().map(Template::parse),
            env: command.env.iter().map(EnvChange::from).collect(),
            ..Shape::default()
        };
        Self {
            kind,
            command: command.into(),
            name: None,
            shape,
            log_file: None,
            tmpdir_parent: None,
            keep: None,
            timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(10),
            poll_interval: None,
            stop_signal: Signal::TERM,
            kill_signal: Signal::KILL,
            expected_returncode: None,
            on_conflict: None,
            #[cfg(feature = "services")]
            provision: None,
        }
    }

    /// Returns which files stay after the end: by the option, else by the environment variable.
    pub(super) fn keep(&self) -> Keep {
        match self.keep {
            Some(true) => Keep::All,
            Some(false) => Keep::Nothing,
            None => environment::keep(),
        }
    }

    /// Returns the directory in which the private directory is created.
    pub(super) fn parent_of_tmpdir(&self) -> PathBuf {
        match &self.tmpdir_parent {
            Some(parent) => paths::absolute(parent),
            // All files that a run keeps because of the variable are in one directory.
            None if self.keep.is_none() && self.keep() != Keep::Nothing => run::kept(),
            #[cfg(feature = "services")]
            None if self.may_lie_in_memory() => {
                // A ready-made service writes many short-lived files, and a busy disk would delay each of them.
                let memory = std::env::var_os("TMPDIR").is_none().then(sys::memory);
                let memory = memory.flatten();
                let memory = memory.and_then(|memory| tmpdir::in_memory(&memory));
                if let Some(memory) = &memory {
                    tmpdir::sweep_once(memory);
                }
                memory.unwrap_or_else(sys::temporary)
            }
            None => sys::temporary(),
        }
    }

    /// Returns whether a ready-made service has the private directory, and no file in it stays after the end.
    #[cfg(feature = "services")]
    fn may_lie_in_memory(&self) -> bool {
        let provision = self.provision.as_ref();
        let may = provision.is_some_and(|provision| provision.may_lie_in_memory());
        may && self.keep() == Keep::Nothing
    }

    /// Returns how long a start may take on this machine.
    pub(super) fn start_bound(&self) -> Duration {
        scaled(self.timeout)
    }

    /// Returns how long the service may take to stop on this machine.
    pub(super) fn stop_bound(&self) -> Duration {
        scaled(self.stop_timeout)
    }
}

/// Multiplies the time by `MIRAKURU_TIMEOUT_SCALE`. A scale that is not a number counts as 1 here, and the start
/// reports it. A product that is too large becomes the longest duration.
fn scaled(time: Duration) -> Duration {
    match environment::timeout_scale() {
        Ok(scale) if (scale - 1.0).abs() > f64::EPSILON => {
            Duration::try_from_secs_f64(time.as_secs_f64() * scale).unwrap_or(Duration::MAX)
        }
        _ => time,
    }
}
