//! The captured output of a service, as its test reads it.
//!
//! `capture.rs` is the file of one stream, `lines.rs` reads lines from it, `log_file.rs` copies a log file into one,
//! and `tail.rs` selects the lines that an error shows.

mod capture;
mod lines;
mod log_file;
mod tail;

pub(crate) use capture::Capture;
pub(crate) use lines::{Reader, text_of, unfinished_line};
pub(crate) use log_file::LogFile;
pub(crate) use tail::{Excerpt, excerpt, last_lines};

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regex::Regex;

use lines::LONGEST_LINE;

use crate::error::{Error, ErrorKind, Result, Scene};
use crate::link::State;
use crate::locks::lock_unless_lost;
use crate::wait::Deadline;

/// The captured output of one of the service's standard streams.
///
/// A handle has a position in the stream. [`lines`](Self::lines) and [`wait_for`](Self::wait_for) advance it. A new
/// handle begins after the banner, or at the beginning of the stream without a banner. At most the first 1 MiB and
/// the last 64 MiB of the stream are kept. The output can still be read after [`stop`](crate::Executor::stop).
///
/// ```
/// use mirakuru::OutputExecutor;
///
/// # fn main() -> mirakuru::Result<()> {
/// let service = OutputExecutor::new("sh -c 'echo ready; echo first; sleep 60'", "ready").started()?;
/// let output = service.output();
/// assert_eq!(output.wait_for("fir")?, "first");
/// assert_eq!(output.text(), "ready\nfirst\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Output {
    capture: Option<Arc<Capture>>,
    command: Arc<str>,
    /// The log file of the service, which errors show.
    log: Option<Arc<LogFile>>,
    reader: Arc<Mutex<Reader>>,
}

impl Output {
    pub(crate) fn new(capture: Option<Arc<Capture>>, command: &Arc<str>) -> Self {
        let begin = capture.as_ref().map_or(0, |capture| capture.begin());
        Self {
            capture,
            command: Arc::clone(command),
            log: None,
            reader: Arc::new(Mutex::new(Reader::at(begin))),
        }
    }

    pub(crate) fn with_log(self, log: Option<Arc<LogFile>>) -> Self {
        Self { log, ..self }
    }

    /// Returns all that the service has printed to this stream so far. Bytes that are not UTF-8 are replaced. Returns
    /// an empty string if the stream is not captured.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo version 1.2; echo ready; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "ready").started()?;
    /// assert_eq!(service.output().text(), "version 1.2\nready\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        let all = self.up_to_date().map(|capture| capture.read_all().0);
        String::from_utf8_lossy(&all.unwrap_or_default()).into_owned()
    }

    /// Returns the last `n` lines that the service has printed so far, joined by `\n`.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo one; echo two; echo three; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "three").started()?;
    /// assert_eq!(service.output().tail(2), "two\nthree");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tail(&self, n: usize) -> String {
        let Some(capture) = self.up_to_date() else {
            return String::new();
        };
        let size = capture.len();
        let (_, bytes) = capture.read(size.saturating_sub(LONGEST_LINE as u64), LONGEST_LINE);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    }

    /// Returns an iterator over the lines from this handle's position on, without their ends and without colours.
    ///
    /// The iterator waits for each line. It ends when the process has ended and all lines were read.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo ready; echo first; echo second; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "ready").started()?;
    /// let lines: Vec<String> = service.output().lines().take(2).collect::<mirakuru::Result<_>>()?;
    /// assert_eq!(lines, ["first", "second"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// An item is an error of kind `TimeoutExpired` if no line came within the executor's timeout. It is the last item.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines {
            output: self.clone(),
            failed: false,
        }
    }

    /// Waits for the next line that `pattern`, a regular expression, matches, and returns the line. Colours are
    /// ignored. Afterwards, the position of the handle is after this line.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo ready; echo job 7 done; exec sleep 60'";
    /// let service = OutputExecutor::new(command, "ready").started()?;
    /// assert_eq!(service.output().wait_for(r"job \d+")?, "job 7 done");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `TimeoutExpired`: no line matched within the executor's timeout.
    /// - `ProcessExitedWithError`: the process ended before a line matched.
    /// - `InvalidConfig`: the pattern is not a valid regular expression.
    pub fn wait_for(&self, pattern: impl AsRef<str>) -> Result<String> {
        let pattern = pattern.as_ref();
        let awaited = format!("a line that matches {pattern:?}");
        let regex = Regex::new(pattern).map_err(|error| {
            let mut scene = self.scene(&awaited).reason(error.to_string());
            scene.headline = "cannot be waited for: the pattern is invalid".into();
            scene.into_error(ErrorKind::InvalidConfig)
        })?;
        let deadline = self.deadline();
        loop {
            match self.next_line(deadline, State::has_left) {
                Next::Line(line) if regex.is_match(&line) => return Ok(line),
                // A flood always has a next line, so the deadline must be checked here too.
                Next::Line(_) if !deadline.has_passed() => {}
                Next::Line(_) | Next::Overdue => return Err(self.overdue(&awaited, deadline)),
                Next::Ended => return Err(self.ended(&awaited, deadline)),
            }
        }
    }

    /// Returns a handle whose position is the end of the output so far.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = OutputExecutor::new("sh -c 'echo ping; exec cat'", "ping").started()?;
    /// let later = service.output().from_now();
    /// writeln!(service.input(), "ping again")?;
    /// assert_eq!(later.wait_for("ping")?, "ping again");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn from_now(&self) -> Self {
        let end = self.up_to_date().map_or(0, Capture::len);
        Self {
            reader: Arc::new(Mutex::new(Reader::at(end))),
            ..self.clone()
        }
    }

    /// Returns the capture, after the supervisor has added all that the service has printed so far.
    fn up_to_date(&self) -> Option<&Capture> {
        let capture = self.capture.as_deref()?;
        if let Some(link) = capture.link() {
            link.drain();
        }
        Some(capture)
    }

    fn deadline(&self) -> Deadline {
        let capture = self.capture.as_ref();
        Deadline::after(capture.map_or(Duration::ZERO, |capture| capture.timeout))
    }

    /// Calls `each` with every line from this handle's position on, until no process of the tree is left.
    pub(crate) fn for_each_line(&self, each: impl Fn(&str)) {
        let never = Deadline::after(Duration::MAX);
        while let Next::Line(line) = self.next_line(never, State::is_over) {
            each(&line);
        }
    }

    fn next_line(&self, deadline: Deadline, has_ended: fn(&State, u64) -> bool) -> Next {
        let Some(capture) = &self.capture else {
            return Next::Ended;
        };
        let service = capture.service.load(Ordering::Relaxed);
        let is_foreign = capture.link().is_some_and(|link| link.is_foreign());
        let Some(mut reader) = lock_unless_lost(&self.reader, is_foreign) else {
            return Next::Ended;
        };
        loop {
            // The order matters, so that no line is missed: first whether the process has ended, then the lines in the
            // capture, and last the wait for news since the first step.
            let link = capture.link();
            let (ended, news) = link.as_ref().map_or((true, 0), |link| {
                link.current(|state| (has_ended(state, service), state.output_news(capture.stream)))
            });
            let seen = capture.len();
            if let Some(line) = reader.next(capture, ended) {
                return Next::Line(text_of(&line));
            }
            let Some(link) = link.filter(|_| !ended) else {
                return Next::Ended;
            };
            if deadline.has_passed() {
                return Next::Overdue;
            }
            link.watch_output(capture.stream, seen);
            // At most a second, in case a wake-up is lost.
            link.wait(deadline.or_sooner(Duration::from_secs(1)), |state| {
                (state.output_news(capture.stream) != news || has_ended(state, service))
                    .then_some(())
            });
        }
    }

    fn scene(&self, awaited: &str) -> Scene {
        let mut scene = Scene::new(&*self.command);
        if self.capture.is_none() {
            scene.notes.push("this stream is not captured".to_owned());
        }
        scene.waited_for = awaited.into();
        scene.output = self
            .up_to_date()
            .map_or_else(String::new, |capture| last_lines(capture, 0));
        if let Some(log) = &self.log {
            log.describe(&mut scene);
            scene.log = last_lines(log.capture(), 0);
        }
        scene
    }

    fn ended(&self, awaited: &str, deadline: Deadline) -> Error {
        let mut scene = self.scene(awaited);
        scene.headline = "ended without printing the line".into();
        scene.waited(deadline);
        scene.exit_code = self.capture.as_ref().and_then(|capture| {
            let service = capture.service.load(Ordering::Relaxed);
            capture.link()?.current(|state| state.exit_of(service))
        });
        scene.into_error(ErrorKind::ProcessExitedWithError)
    }

    fn overdue(&self, awaited: &str, deadline: Deadline) -> Error {
        let mut scene = self.scene(awaited);
        scene.headline = "did not print the line in time".into();
        scene.waited(deadline);
        scene.into_error(ErrorKind::TimeoutExpired)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.capture.as_ref().map(|capture| capture.len());
        f.debug_struct("Output")
            .field("bytes", &size)
            .finish_non_exhaustive()
    }
}

/// The outcome of a wait for the next line.
enum Next {
    Line(String),
    /// The process has ended, and all lines were read.
    Ended,
    /// The deadline has passed.
    Overdue,
}

/// An iterator over the lines of an [`Output`]. [`Output::lines`] creates it.
#[derive(Debug)]
pub struct Lines {
    output: Output,
    failed: bool,
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let deadline = self.output.deadline();
        match self.output.next_line(deadline, State::has_left) {
            Next::Line(line) => Some(Ok(line)),
            Next::Ended => None,
            Next::Overdue => {
                self.failed = true;
                Some(Err(self.output.overdue("another line", deadline)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::protocol::Stream;

    pub(super) fn capture(bytes: &[u8]) -> Capture {
        let capture = Capture::new(Stream::Stdout, Duration::ZERO).expect("a temporary file");
        capture.file().write_all(bytes).expect("room");
        capture
    }

    #[test]
    fn a_tail_contains_the_last_lines() {
        let output = Output::new(Some(Arc::new(capture(b"a\nb\nc\n"))), &"x".into());
        assert_eq!(output.tail(2), "b\nc");
        assert_eq!(output.tail(9), "a\nb\nc");
    }

    #[test]
    fn a_stream_that_is_not_captured_is_empty() {
        let output = Output::new(None, &"x".into());
        assert_eq!(
            (output.text(), output.tail(3), output.lines().count()),
            (String::new(), String::new(), 0)
        );
    }
}
