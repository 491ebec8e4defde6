//! Defines the order for a service: its command, its user, its streams, how it is stopped, and the files that are
//! removed with it.
//!
//! A test process sends it in a [`Request`](super::Request), and the supervisor carries it out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::codec::{Wire, wire};
use crate::limits::Resource;
use crate::signal::Signal;
use crate::sys;

/// The time that processes have to vanish after they were killed. Only a process that the kernel cannot end
/// (uninterruptible sleep), one that we may not signal, or one that forks faster than it dies reaches this bound.
pub(crate) const KILL_BOUND: Duration = Duration::from_secs(10);

/// The time that a tree has to stop after its test process was killed, or its start or test failed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The time that a process group has if it was asked to stop only after the patience was over.
const LATE: Duration = Duration::from_secs(1);

wire! {
/// The user and groups that a service runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: Vec<u32>,
}

/// The working directory in which a service starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// The root directory, which is the supervisor's own: the test process's directory is gone.
    Root,
    /// The test process's directory, entered with that process's rights, as any child of it would do.
    Inherited(path: PathBuf),
    /// The configured directory, entered with the service's rights.
    Given(path: PathBuf),
}

/// The target of a standard stream of a service. For `Given` and `Captured` a handle travels with the message: the file
/// to use, or the file to capture into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamTarget {
    Null,
    Given,
    Captured,
    /// Input from a pipe that the supervisor holds open until the tree is gone.
    OpenPipe,
}

/// An order to start a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) words: Vec<OsString>,
    /// The words as one text, and the ports by name, for test processes that attach and for the timeline.
    pub(crate) command: String,
    pub(crate) ports: Vec<(String, u16)>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: Directory,
    pub(crate) identity: Option<Identity>,
    pub(crate) umask: Option<u32>,
    pub(crate) nice: Option<i32>,
    /// Each resource with its soft and its hard limit.
    pub(crate) rlimits: Vec<(Resource, u64, u64)>,
    pub(crate) streams: [StreamTarget; 3],
    /// The plan for a stop if the test process ends without one.
    pub(crate) on_owner_exit: StopPlan,
    /// Keep the service's output and its private directory.
    pub(crate) keep: bool,
    /// The time for which a program that another process has open for writing is tried.
    pub(crate) busy: Duration,
    /// The path of the socket that the service reports to by `sd_notify(3)`.
    pub(crate) notify: Option<PathBuf>,
    /// The files to remove after the tree is gone: a stale pid file would look like that of a running service.
    pub(crate) leftovers: Vec<Leftover>,
    pub(crate) row: Option<TraceRow>,
}

/// A file that is removed when its service ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// The user of the service, if it is not the test's. That user may make the path lead elsewhere.
    pub(crate) user: Option<Identity>,
}

/// The row of a service in a timeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceRow {
    pub(crate) file: PathBuf,
    /// The test process: its pid and its program.
    pub(crate) process: u32,
    pub(crate) program: String,
    pub(crate) executor: String,
    /// The name of the thread that started it, which harnesses set to the name of the test.
    pub(crate) test: String,
}

/// A command that a check runs in the tree of a service, with the service's user and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    pub(crate) words: Vec<OsString>,
    /// Changes to the service's environment: `None` removes the variable.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// The working directory; `None` is the directory of the service.
    pub(crate) cwd: Option<Directory>,
    /// The command is killed after this time.
    pub(crate) limit: Duration,
}

/// The plan for a stop of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopPlan {
    /// The signal that is sent first.
    pub(crate) signal: i32,
    /// The signal goes to every process group of the tree at once: no group is left to its parent.
    pub(crate) whole_tree: bool,
    /// The signal that is sent next, after `patience`.
    pub(crate) kill_signal: i32,
    pub(crate) patience: Duration,
    /// The time that the tree has after the kill signal. After it, the tree gets SIGKILL.
    pub(crate) kill_patience: Duration,
}
}

impl Identity {
    /// Returns this user in the form that the functions for paths of another user take.
    pub(crate) fn as_other(&self) -> sys::OtherUser<'_> {
        (self.user, &self.groups)
    }
}

impl StopPlan {
    /// Kills the whole tree with SIGKILL at once, whatever kill signal was configured.
    pub(crate) const ABRUPT: Self = Self {
        signal: Signal::KILL.as_raw(),
        whole_tree: true,
        kill_signal: Signal::KILL.as_raw(),
        patience: Duration::ZERO,
        kill_patience: Duration::ZERO,
    };

    /// Returns the plan that kills the tree that this plan would stop.
    pub(crate) const fn kill(self) -> Self {
        if self.kill_signal == Signal::KILL.as_raw() {
            return Self::ABRUPT;
        }
        Self {
            signal: self.kill_signal,
            patience: self.patience,
            ..Self::ABRUPT
        }
    }

    /// Returns this plan with less time, for the end of a start or of a test that failed.
    pub(crate) fn hasty(self) -> Self {
        Self {
            patience: self.patience.min(GRACE),
            ..self
        }
    }

    /// Returns the time that the tree has after this signal if a group was not asked in time.
    pub(crate) fn late(&self) -> Duration {
        self.patience.min(LATE)
    }

    /// Returns the longest time that this stop takes before the kernel kills the tree: the time after the stop signal, the
    /// time after a kill signal that a process can handle, and the time that a supervisor of the service's own has.
    pub(crate) fn longest(&self) -> Duration {
        let is_final = self.kill_signal == Signal::KILL.as_raw();
        let kill_patience = if is_final {
            Duration::ZERO
        } else {
            self.kill_patience
        };
        let patience = self.patience.saturating_add(kill_patience);
        patience.saturating_add(LATE * 2 + GRACE * 2)
    }
}

#[cfg(test)]
impl Launch {
    /// Returns an order without any option.
    pub(crate) fn plain(word: &str) -> Self {
        Self {
            words: vec![word.into()],
            command: word.to_owned(),
            ports: Vec::new(),
            env: Vec::new(),
            cwd: Directory::Root,
            identity: None,
            umask: None,
            nice: None,
            rlimits: Vec::new(),
            streams: [StreamTarget::Null; 3],
            on_owner_exit: StopPlan::ABRUPT,
            keep: false,
            busy: Duration::ZERO,
            notify: None,
            leftovers: Vec::new(),
            row: None,
        }
    }
}
