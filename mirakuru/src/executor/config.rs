//! The options of an executor as the user wrote them, and what its times are on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::{Command, CommandLine, Shape};
use crate::environment;
use crate::port::OnConflict;
use crate::signal::Signal;

/// The command and the options, without the check.
pub(super) struct Config {
    pub(super) kind: &'static str,
    pub(super) command: Command,
    pub(super) name: Option<String>,
    pub(super) shape: Shape,
    pub(super) timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) poll_interval: Option<Duration>,
    pub(super) stop_signal: Signal,
    pub(super) kill_signal: Signal,
    pub(super) expected_returncode: Option<i32>,
    pub(super) on_conflict: Option<OnConflict>,
    /// The values of placeholders with a dot.
    pub(super) bindings: BTreeMap<String, String>,
}

impl Config {
    pub(super) fn new(kind: &'static str, command: CommandLine) -> Self {
        Self {
            kind,
            command: command.into(),
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

/// Multiplies the time by the scale. The start reports a scale that is not a number. A product that is too
/// large for the clock never passes.
fn scaled(time: Duration) -> Duration {
    match environment::timeout_scale() {
        Ok(scale) if (scale - 1.0).abs() > f64::EPSILON => {
            Duration::try_from_secs_f64(time.as_secs_f64() * scale).unwrap_or(Duration::MAX)
        }
        _ => time,
    }
}
