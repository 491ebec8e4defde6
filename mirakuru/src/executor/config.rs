//! What the user wrote of an executor, and how long that is on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::{CommandLine, Shape};
use crate::environment;
use crate::port::OnConflict;
use crate::signal::Signal;

/// What the user wrote, but for the check.
pub(super) struct Config {
    pub(super) kind: &'static str,
    pub(super) command: CommandLine,
    pub(super) name: Option<String>,
    pub(super) shape: Shape,
    pub(super) timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) poll_interval: Option<Duration>,
    pub(super) stop_signal: Signal,
    pub(super) kill_signal: Signal,
    pub(super) expected_returncode: Option<i32>,
    pub(super) on_conflict: Option<OnConflict>,
    /// What placeholders with a dot stand for.
    pub(super) bindings: BTreeMap<String, String>,
}

impl Config {
    pub(super) fn new(kind: &'static str, command: CommandLine) -> Self {
        Self {
            kind,
            command,
            name: None,
            shape: Shape::default(),
            timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(10),
            poll_interval: None,
            stop_signal: Signal::TERM,
            kill_signal: Signal::KILL,
            expected_returncode: None,
            on_conflict: None,
            bindings: BTreeMap::new(),
        }
    }

    /// How long a start may take, on this machine.
    pub(super) fn start_bound(&self) -> Duration {
        scaled(self.timeout)
    }

    /// How long the service has for its end, on this machine.
    pub(super) fn stop_bound(&self) -> Duration {
        scaled(self.stop_timeout)
    }
}

/// A scale that is no number is told by the start. What is more than there is time, is for ever.
fn scaled(time: Duration) -> Duration {
    match environment::timeout_scale() {
        Ok(scale) if (scale - 1.0).abs() > f64::EPSILON => {
            Duration::try_from_secs_f64(time.as_secs_f64() * scale).unwrap_or(Duration::MAX)
        }
        _ => time,
    }
}
