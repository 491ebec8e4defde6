//! The scene of an error: its parts, and the text that they make.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use super::{Error, ErrorKind};
use crate::signal::describe_exit;
use crate::wait::Deadline;

/// The parts of an error. Every part except the command may be empty.
#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) command: String,
    /// The executor's name, if the user gave one.
    pub(crate) name: Option<String>,
    /// A headline, if the words of the kind are too general.
    pub(crate) headline: String,
    pub(crate) reason: String,
    pub(crate) waited_for: String,
    /// The time that was waited.
    pub(crate) waited: Option<Duration>,
    /// The time that was allowed. `Duration::MAX` means without a limit.
    pub(crate) allowed: Option<Duration>,
    pub(crate) last_check: String,
    pub(crate) pid: Option<u32>,
    pub(crate) exit_code: Option<i32>,
    /// When the process ended, if the code alone would mislead.
    pub(crate) ended: Option<&'static str>,
    pub(crate) held_by: String,
    pub(crate) notes: Vec<String>,
    pub(crate) output: String,
    pub(crate) err_output: String,
    /// The path of the log file, and the last lines that were added to it.
    pub(crate) log_file: String,
    pub(crate) log: String,
    pub(crate) advice: String,
    pub(crate) source: Option<io::Error>,
    /// The failures of processes that start together with this one.
    pub(super) others: Vec<Error>,
    /// Whether the failure of one of `others` is the only reason.
    pub(crate) is_consequence: bool,
}

impl Scene {
    /// Returns the name of the executor, or else its command.
    pub(crate) fn subject(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("{name:?}"));
        name.unwrap_or_else(|| format!("`{}`", self.command))
    }

    pub(crate) fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            ..Self::default()
        }
    }

    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Returns whether the error has no last lines to show.
    pub(crate) fn is_silent(&self) -> bool {
        self.output.is_empty() && self.err_output.is_empty() && self.log.is_empty()
    }

    /// Records how long the wait took, and how long it was allowed to take.
    pub(crate) fn waited(&mut self, deadline: Deadline) {
        self.waited = Some(deadline.elapsed());
        self.allowed = deadline.bound();
    }

    pub(crate) fn into_error(self, kind: ErrorKind) -> Error {
        let scene = Box::new(self);
        Error { kind, scene }
    }

    fn time_line(&self) -> String {
        let waited = self.waited.map(seconds).unwrap_or_default();
        match self.allowed.map(seconds) {
            Some(allowed) => format!("{waited} of {allowed} allowed"),
            None => waited,
        }
    }

    fn process_line(&self) -> String {
        match (self.pid, self.exit_code, self.ended) {
            (_, Some(code), Some(when)) => format!("{when}: {}", describe_exit(code)),
            (_, Some(code), None) => describe_exit(code),
            (Some(pid), None, _) => format!("was running with pid {pid}"),
            (None, None, _) => String::new(),
        }
    }

    /// Writes the text of an error with this headline.
    pub(super) fn write(&self, headline: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.command, headline)?;
        line(f, "reason", &self.reason)?;
        line(f, "waited for", &self.waited_for)?;
        line(f, "how long", &self.time_line())?;
        line(f, "last check", &self.last_check)?;
        line(f, "process", &self.process_line())?;
        line(f, "held by", &self.held_by)?;
        for note in &self.notes {
            line(f, "note", note)?;
        }
        block(f, "output", &self.output)?;
        block(f, "error output", &self.err_output)?;
        block(f, &format!("log file {}", self.log_file), &self.log)?;
        line(f, "help", &self.advice)?;
        let mut others = self.others.iter();
        others.try_for_each(|other| write!(f, "\n{other}"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    if text.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {:<13}{text}", format!("{label}:"))
}

fn block(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    if text.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {label}, last lines:")?;
    text.lines()
        .try_for_each(|line| write!(f, "\n    | {}", readable(line)))
}

/// How many bytes of each end of a long line an error shows.
const LINE_END: usize = 240;

/// Shortens a long line to its beginning and its end.
fn readable(line: &str) -> Cow<'_, str> {
    let middle = line.len().saturating_sub(2 * LINE_END);
    if middle == 0 {
        return line.into();
    }
    let boundary = |at: usize| (0..=at).rev().find(|at| line.is_char_boundary(*at));
    let head = boundary(LINE_END).unwrap_or_default();
    let tail = boundary(LINE_END + middle).unwrap_or_default();
    let (first, last) = (&line[..head], &line[tail..]);
    format!("{first} [… {} bytes …] {last}", tail - head).into()
}

pub(crate) fn seconds(duration: Duration) -> String {
    let secs = duration.as_secs_f64();
    if secs < 0.1 {
        format!("{:.1} ms", secs * 1e3)
    } else {
        format!("{secs:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shortened_to_both_its_ends() {
        assert_eq!(readable("short"), "short");
        let long = format!("begin{}end", "é".repeat(5000));
        let reported = readable(&long);
        assert!(reported.starts_with("beginé"), "{reported}");
        assert!(reported.ends_with("éend"), "{reported}");
        assert!(reported.len() < 520, "{reported}");
    }
}
