//! The check that is ready when a command succeeds.
//!
//! The supervisor runs the command in the tree of the service. Its output goes to a temporary file of the test
//! process, which reads the last line from there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{ConfigError, Context, Manner, NotReady, Readiness, Target};
use crate::command::CommandLine;
use crate::error::seconds;
use crate::signal::describe_exit;

/// The shortest pause between two runs.
const PAUSE: Duration = Duration::from_millis(50);

/// How many bytes at the end of the output are searched for the last line.
const TAIL: u64 = 8 * 1024;

/// Ready when a command exits with 0, such as `pg_isready -p {port}`.
///
/// The command runs inside the process tree of the service, with its user, its working directory and its
/// environment. Placeholders are filled in. Its standard input is `/dev/null`. Its output is separate from that of the
/// service. If the command fails, an error shows the last line of its output as the last check.
///
/// A run may take ten seconds ([`limit`](Self::limit)), but never longer than the rest of the start's timeout. A
/// command that takes longer is killed. A command that still runs when the tree ends is killed with it. At least 50
/// milliseconds pass between two runs.
///
/// ```
/// use mirakuru::{SimpleExecutor, readiness::Exec};
///
/// # fn main() -> mirakuru::Result<()> {
/// let service = SimpleExecutor::new("sh -c 'touch {tmpdir}/up; exec sleep 60'")
///     .also(Exec::new("test -e {tmpdir}/up"))
///     .started()?;
/// assert!(service.tmpdir().join("up").exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Exec {
    command: CommandLine,
    limit: Duration,
    last: Mutex<Option<Last>>,
}

/// The last run that failed.
#[derive(Debug)]
struct Last {
    start: u64,
    ended: Instant,
    reason: String,
}

impl Exec {
    /// Creates a check that runs this command.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Exec};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Exec::new(["cat", "{tmpdir}/state"]);
    /// let service = Executor::with_readiness("sh -c 'echo up > {tmpdir}/state; exec sleep 60'", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(command: impl Into<CommandLine>) -> Self {
        Self {
            command: command.into(),
            limit: Duration::from_secs(10),
            last: Mutex::default(),
        }
    }

    /// Sets how long one run may take. Defaults to ten seconds.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::{Executor, readiness::Exec};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Exec::new("sh -c 'exit 0'").limit(Duration::from_secs(2));
    /// let service = Executor::with_readiness("sleep 60", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn run(&self, cx: &Context) -> Result<(), String> {
        let limit = self.limit.min(cx.remaining());
        let exec = self.command.to_exec(&cx.place(), limit)?;
        let link = cx
            .start
            .link
            .as_ref()
            .ok_or("the process is not running yet")?;
        let mut output = tempfile::tempfile().map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let ran = link
            .exec(exec, &output)
            .ok_or("the supervisor does not answer")?;
        let end = match ran {
            Ok(0) => return Ok(()),
            Ok(_) if begin.elapsed() >= limit => {
                format!("the command did not end within {}", seconds(limit))
            }
            Ok(code) => {
                let was = if code < 0 { "was " } else { "" };
                format!("the command {was}{}", describe_exit(code))
            }
            Err(failure) => failure.to_string(),
        };
        Err(match last_line(&mut output) {
            Some(last) => format!("{end}: {last}"),
            None => end,
        })
    }
}

/// Returns the last line that the command printed.
fn last_line(output: &mut File) -> Option<String> {
    let end = output.seek(SeekFrom::End(0)).ok()?;
    output
        .seek(SeekFrom::Start(end.saturating_sub(TAIL)))
        .ok()?;
    let mut tail = Vec::new();
    output.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let last = tail.lines().rfind(|line| !line.trim().is_empty())?;
    Some(last.trim().to_owned())
}

impl Clone for Exec {
    fn clone(&self) -> Self {
        Self {
            command: self.command.clone(),
            limit: self.limit,
            last: Mutex::default(),
        }
    }
}

impl Readiness for Exec {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let start = cx.start.number;
        if let Some(last) = last.as_ref().filter(|last| last.start == start) {
            if last.ended.elapsed() < PAUSE {
                return Err(NotReady::new(last.reason.clone()));
            }
        }
        let ran = self.run(cx);
        *last = ran.as_ref().err().map(|reason| Last {
            start,
            ended: Instant::now(),
            reason: reason.clone(),
        });
        ran.map_err(NotReady::new)
    }

    fn describe(&self, cx: &Context) -> String {
        let line = self.command.shell_text();
        let line = cx.fill(&line).unwrap_or(line);
        format!("`{line}` to succeed")
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        self.command.to_exec(&cx.place(), self.limit)?;
        Ok(())
    }

    fn target(&self) -> Target {
        Target {
            texts: self.command.texts(),
            ..Target::default()
        }
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner::non_blocking()
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}
