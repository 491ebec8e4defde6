//! Reports the steps of an executor: as `tracing` events (`log` records if no subscriber is set), and as lines on
//! standard error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use tracing::Level;

use crate::environment;
use crate::error::Error;
use crate::sys;

/// One step of a start or a stop.
pub(crate) struct Step {
    pub(crate) level: Level,
    /// A text that fits after the command.
    pub(crate) text: String,
    pub(crate) pid: Option<u32>,
    pub(crate) port: Option<u16>,
    pub(crate) elapsed: Option<Duration>,
    /// Whether the line is printed even without `MIRAKURU_LOG`: a test waits, or files stay on the disk.
    pub(crate) always_shown: bool,
}

impl Step {
    pub(crate) fn debug(text: String) -> Self {
        Self {
            level: Level::DEBUG,
            text,
            pid: None,
            port: None,
            elapsed: None,
            always_shown: false,
        }
    }

    pub(crate) fn info(text: String) -> Self {
        Self {
            level: Level::INFO,
            ..Self::debug(text)
        }
    }

    pub(crate) fn warn(text: String) -> Self {
        Self {
            level: Level::WARN,
            ..Self::debug(text)
        }
    }
}

pub(crate) fn first_line(error: &Error) -> String {
    let reported = error.to_string();
    reported.lines().next().unwrap_or_default().to_owned()
}

/// Emits a step of this executor.
///
/// The closure `command` is called only if a line or a subscriber needs the command. A line shows the executor's name.
/// For an executor without a name, it shows the beginning of its command and its kind.
pub(crate) fn emit(step: Step, executor: &str, is_named: bool, command: impl Fn() -> String) {
    let elapsed = step.elapsed.map(|elapsed| elapsed.as_millis());
    let elapsed_ms = elapsed.and_then(|millis| u64::try_from(millis).ok());
    let reported = step.text;
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: "mirakuru",
                $level,
                executor,
                command = command(),
                pid = step.pid,
                port = step.port,
                elapsed_ms,
                "{reported}"
            )
        };
    }
    // A subscriber or a logger is the user's code and may panic, and the caller may be a drop.
    let _ = catch_unwind(AssertUnwindSafe(|| match step.level {
        Level::WARN => event!(Level::WARN),
        Level::INFO => event!(Level::INFO),
        _ => event!(Level::DEBUG),
    }));
    if step.always_shown || environment::log() {
        let (time, thread) = (time_of_day(), thread::current());
        let test = thread.name().unwrap_or("a thread");
        print(&format!(
            "mirakuru {time} {test}: {} {reported}",
            if is_named {
                executor.to_owned()
            } else {
                format!("`{}` ({executor})", beginning(&command()))
            }
        ));
    }
}

/// Returns the beginning of a command, as a command may be a whole script.
fn beginning(command: &str) -> String {
    const MOST: usize = 80;
    let line = command.trim_start().lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < command.trim().len() => format!("{line} …"),
        None => line.to_owned(),
    }
}

/// Returns hours, minutes, seconds and milliseconds in UTC, as log files have them.
///
/// Test harnesses name a test's thread after the test, so a line shows both the time and the test.
#[expect(
    clippy::disallowed_types,
    reason = "it is only printed, and no wait depends on it"
)]
fn time_of_day() -> String {
    use std::time::SystemTime;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}Z", seconds % 60)
}

/// Prints a line to standard error with `eprintln!`, as the test harness captures only that macro.
///
/// The macro panics if standard error is closed. That must not fail the test.
pub(crate) fn print(line: &str) {
    let _ = catch_unwind(|| eprintln!("{line}"));
}

/// Prints a line to standard error without the harness's capture, so that it is visible even if the test passes.
///
/// It takes no lock, because the exit hook calls it.
pub(crate) fn print_uncaptured(line: &str) {
    sys::write_to_standard_error(&format!("{line}\n"));
}
