//! What happens to an executor, step by step, for those who look: `tracing` events (`log` records where
//! no subscriber is set), and lines on standard error.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use tracing::Level;

use crate::environment;
use crate::error::{Error, seconds};
use crate::signal::{Signal, describe_exit};

/// One step of a start or a stop.
pub(crate) enum Step<'a> {
    Queues {
        port: u16,
        holder: &'a str,
    },
    /// A queue takes long.
    StillQueues {
        port: u16,
        holder: &'a str,
        elapsed: Duration,
    },
    Reuses {
        port: u16,
    },
    Starts,
    /// Its free port was taken by a stranger.
    Moves {
        error: &'a Error,
    },
    Spawned {
        pid: u32,
    },
    /// A start takes long.
    StillWaits {
        elapsed: Duration,
        awaited: String,
        last_check: &'a str,
        last_line: Option<String>,
    },
    Ready {
        pid: u32,
        port: u16,
        elapsed: Duration,
    },
    Failed {
        error: &'a Error,
        elapsed: Duration,
    },
    /// A shared fixture is not running any more, and is started again.
    Died {
        exit_code: Option<i32>,
    },
    Stops {
        pid: u32,
        signal: Signal,
    },
    /// The stop signal was not enough.
    Killed {
        pid: u32,
    },
    Gone {
        pid: u32,
        exit_code: Option<i32>,
        elapsed: Duration,
    },
    /// Processes that could not be killed.
    Survived {
        pid: u32,
        survivors: &'a str,
    },
    /// Somebody killed the supervisor.
    Lost {
        pid: u32,
    },
    NotStartedAgain {
        error: &'a str,
    },
    /// Its files stay.
    Keeps {
        directory: String,
    },
}

impl Step<'_> {
    fn level(&self) -> Level {
        match self {
            Self::Starts | Self::Spawned { .. } | Self::Stops { .. } | Self::Failed { .. } => {
                Level::DEBUG
            }
            Self::Queues { .. }
            | Self::StillQueues { .. }
            | Self::Reuses { .. }
            | Self::Moves { .. }
            | Self::StillWaits { .. }
            | Self::Ready { .. }
            | Self::Gone { .. }
            | Self::Keeps { .. } => Level::INFO,
            Self::Died { .. }
            | Self::Killed { .. }
            | Self::Survived { .. }
            | Self::Lost { .. }
            | Self::NotStartedAgain { .. } => Level::WARN,
        }
    }

    /// Whether everybody is to read it: whoever waits, and whoever looks for the files.
    fn concerns_all(&self) -> bool {
        matches!(
            self,
            Self::StillWaits { .. } | Self::StillQueues { .. } | Self::Keeps { .. }
        )
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Spawned { pid }
            | Self::Ready { pid, .. }
            | Self::Stops { pid, .. }
            | Self::Killed { pid }
            | Self::Gone { pid, .. }
            | Self::Survived { pid, .. }
            | Self::Lost { pid } => Some(*pid),
            _ => None,
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Queues { port, .. }
            | Self::StillQueues { port, .. }
            | Self::Reuses { port }
            | Self::Ready { port, .. } => Some(*port).filter(|port| *port != 0),
            _ => None,
        }
    }

    fn elapsed_ms(&self) -> Option<u64> {
        match self {
            Self::StillWaits { elapsed, .. }
            | Self::StillQueues { elapsed, .. }
            | Self::Ready { elapsed, .. }
            | Self::Failed { elapsed, .. }
            | Self::Gone { elapsed, .. } => elapsed.as_millis().try_into().ok(),
            _ => None,
        }
    }
}

/// Fits behind the command.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queues { port, holder } => write!(f, "queues for port {port}, held by {holder}"),
            Self::StillQueues {
                port,
                holder,
                elapsed,
            } => {
                let elapsed = seconds(*elapsed);
                write!(f, "has queued {elapsed} for port {port}, held by {holder}")
            }
            Self::Reuses { port } => write!(f, "uses what answers on port {port}"),
            Self::Starts => write!(f, "starts"),
            Self::Moves { error } => write!(f, "takes another port: {}", first_line(error)),
            Self::Spawned { pid } => write!(f, "runs with pid {pid}"),
            Self::StillWaits {
                elapsed,
                awaited,
                last_check,
                last_line,
            } => {
                let elapsed = seconds(*elapsed);
                write!(f, "is not ready after {elapsed}: waits for {awaited}; ")?;
                write!(f, "last check: {last_check}; ")?;
                match last_line {
                    Some(line) => write!(f, "printed last: {line}"),
                    None => write!(f, "printed nothing"),
                }
            }
            Self::Ready { pid, port, elapsed } => {
                write!(f, "is ready after {}: pid {pid}", seconds(*elapsed))?;
                match port {
                    0 => Ok(()),
                    port => write!(f, ", port {port}"),
                }
            }
            Self::Failed { error, elapsed } => {
                write!(
                    f,
                    "failed after {}: {}",
                    seconds(*elapsed),
                    first_line(error)
                )
            }
            Self::Died { exit_code } => {
                let code = exit_code.map(describe_exit).unwrap_or_default();
                write!(f, "is not running any more, and is started again: {code}")
            }
            Self::Stops { pid, signal } => write!(f, "is stopped: {signal} to pid {pid}"),
            Self::Killed { pid } => write!(f, "did not stop in time and was killed: pid {pid}"),
            Self::Gone {
                pid,
                exit_code,
                elapsed,
            } => {
                write!(f, "is gone after {}: pid {pid}", seconds(*elapsed))?;
                match exit_code {
                    Some(code) => write!(f, " {}", describe_exit(*code)),
                    None => Ok(()),
                }
            }
            Self::Survived { survivors, .. } => {
                write!(f, "left what could not be killed: {survivors}")
            }
            Self::Lost { pid } => write!(
                f,
                "lost its supervisor, which was killed from outside; the tree of pid {pid} was swept"
            ),
            Self::NotStartedAgain { error } => {
                write!(f, "did not start again after an outage: {error}")
            }
            Self::Keeps { directory } => write!(f, "keeps its files in {directory}"),
        }
    }
}

fn first_line(error: &Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Tells a step of this executor. The command is asked for only where somebody listens.
pub(crate) fn tell(step: &Step<'_>, executor: &str, command: impl Fn() -> String) {
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: "mirakuru",
                $level,
                executor,
                command = command(),
                pid = step.pid(),
                port = step.port(),
                elapsed_ms = step.elapsed_ms(),
                "{step}"
            )
        };
    }
    // A subscriber, or a logger, is the user's own, and a drop may be what tells.
    let _ = catch_unwind(AssertUnwindSafe(|| match step.level() {
        Level::WARN => event!(Level::WARN),
        Level::INFO => event!(Level::INFO),
        _ => event!(Level::DEBUG),
    }));
    if step.concerns_all() || environment::log() {
        let (time, thread) = (time_of_day(), thread::current());
        let test = thread.name().unwrap_or("a thread");
        say(&format!(
            "mirakuru {time} {test}: `{}` ({executor}) {step}",
            command()
        ));
    }
}

/// Hours, minutes, seconds and milliseconds in UTC, as log files have it. Harnesses call a test's thread
/// as the test, so a line tells both.
#[expect(
    clippy::disallowed_types,
    reason = "told to a person, and no wait depends on it"
)]
fn time_of_day() -> String {
    use std::time::SystemTime;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}Z", seconds % 60)
}

/// A line on standard error, through the macro, as that alone is what the harness captures. It panics
/// where nobody can read any more: that must not decide the test.
pub(crate) fn say(line: &str) {
    let _ = catch_unwind(|| eprintln!("{line}"));
}

/// A line on standard error that is seen where the tests pass too: past the harness.
pub(crate) fn say_past_the_harness(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
