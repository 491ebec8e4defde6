//! Defines the order for a service: who and what runs, where its streams lead, how it is stopped and what goes with it.
//!
//! A test process sends it in a [`Request`](super::Request), and the supervisor carries it out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::codec::{Wire, wire};
use crate::limits::Resource;
use crate::signal::Signal;
use crate::sys;

/// How long processes may take to vanish once they were killed. Only what the kernel cannot end
/// (uninterruptible sleep), what it may not signal, or what forks faster than it dies gets there.
pub(crate) const KILL_BOUND: Duration = Duration::from_secs(10);

/// How long a tree may take to stop once its test process was killed, or its start or test failed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How long a process group has that was not asked to stop before the time was over.
const LATE: Duration = Duration::from_secs(1);

wire! {
/// Who a service runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: Vec<u32>,
}

/// Where a service stands when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// Where the supervisor stands: the test process's own directory is gone.
    Root,
    /// The test process's own: entered with its rights, as by any child of it.
    Inherited(path: PathBuf),
    /// The one asked for: entered with the service's rights.
    Given(path: PathBuf),
}

/// One standard stream of a service. What is `Given` or `Captured` travels as a handle with
/// the message: the file to use, or the file to capture into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamTarget {
    Null,
    Given,
    Captured,
    /// Input from a pipe that the supervisor holds open until the tree is gone.
    OpenPipe,
}

/// A service to be started.
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
    /// Resource, soft and hard limit.
    pub(crate) rlimits: Vec<(Resource, u64, u64)>,
    pub(crate) streams: [StreamTarget; 3],
    /// How to stop it should the test process end without a word.
    pub(crate) on_owner_exit: StopPlan,
    /// Its output and its private directory stay, for people.
    pub(crate) keep: bool,
    /// How long a program that somebody has open for writing is tried.
    pub(crate) busy: Duration,
    /// The path of the socket that the service reports to by `sd_notify(3)`.
    pub(crate) notify: Option<PathBuf>,
    /// Files to remove after the tree is gone: a pid file would be taken for that of a service that runs.
    pub(crate) leftovers: Vec<Leftover>,
    pub(crate) row: Option<TraceRow>,
}

/// A file that is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// The user of the service, if the test has another one. That user may make the path lead elsewhere.
    pub(crate) user: Option<Identity>,
}

/// Where a service has a row in a timeline, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceRow {
    pub(crate) file: PathBuf,
    /// The test process: its pid and its program.
    pub(crate) process: u32,
    pub(crate) program: String,
    pub(crate) executor: String,
    /// The thread that started it, which harnesses call as the test.
    pub(crate) test: String,
}

/// A command that a check runs in the tree of a service, with the service's user and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    pub(crate) words: Vec<OsString>,
    /// Changes to the service's environment: `None` removes the variable.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// `None` is the directory of the service.
    pub(crate) cwd: Option<Directory>,
    /// The command is killed after this time.
    pub(crate) limit: Duration,
}

/// How a tree is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopPlan {
    /// Sent first.
    pub(crate) signal: i32,
    /// To every process group of the tree at once: no group is left to its parent.
    pub(crate) whole_tree: bool,
    /// Sent next, once `patience` is over.
    pub(crate) kill_signal: i32,
    pub(crate) patience: Duration,
    /// How long the tree has after the kill signal. Then the kernel kills it.
    pub(crate) kill_patience: Duration,
}
}

impl Identity {
    /// As a user who may change what this process opens.
    pub(crate) fn as_other(&self) -> sys::OtherUser<'_> {
        (self.user, &self.groups)
    }
}

impl StopPlan {
    /// The end of a tree that nobody owes anything, not even the kill signal that it asked for.
    pub(crate) const ABRUPT: Self = Self {
        signal: Signal::KILL.as_raw(),
        whole_tree: true,
        kill_signal: Signal::KILL.as_raw(),
        patience: Duration::ZERO,
        kill_patience: Duration::ZERO,
    };

    /// The kill of what this plan would stop.
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

    /// The same stop with less time, for the end of a start or of a test that failed.
    pub(crate) fn hasty(self) -> Self {
        Self {
            patience: self.patience.min(GRACE),
            ..self
        }
    }

    /// How long the tree has after this signal if a group was not asked in time.
    pub(crate) fn late(&self) -> Duration {
        self.patience.min(LATE)
    }

    /// The longest that this stop takes before the kernel kills the tree.
    pub(crate) fn longest(&self) -> Duration {
        let patience = self.patience.saturating_add(self.kill_patience);
        patience.saturating_add(LATE * 2)
    }
}
