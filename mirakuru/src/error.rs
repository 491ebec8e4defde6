//! One error for every call: a kind to match on, and a scene for the person whose CI is red.
//!
//! The scene is told once, by `Display`; `Debug` is the same text, as `.unwrap()` and a test that
//! returns `Err` print `Debug`.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::signal::describe_exit;
use crate::wait::Deadline;

/// The result of every call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something answered already before the start: nothing was spawned.
    AlreadyRunning,
    /// A bound in time passed: the start's, a wait's, or that of the line waited for.
    TimeoutExpired,
    /// The process ended with an error before it was ready, or during a wait.
    ProcessExitedWithError,
    /// The process ended otherwise than expected, seen when it was stopped.
    ProcessFinishedWithError,
    /// What was configured cannot be right: nothing was spawned.
    InvalidConfig,
    /// The program could not be started: not found, not executable, not permitted.
    Spawn,
    /// The system refused something else: a file, a socket, a process.
    Io,
    /// Processes of the tree could not be killed in time; the error lists them.
    Survivors,
}

impl ErrorKind {
    /// The words behind "`command` …".
    fn headline(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "was not started: something answers there already",
            Self::TimeoutExpired => "did not get there in time",
            Self::ProcessExitedWithError => "ended before it was ready",
            Self::ProcessFinishedWithError => "ended otherwise than expected",
            Self::InvalidConfig => "cannot be started as configured",
            Self::Spawn => "could not be started",
            Self::Io => "failed: the system refused",
            Self::Survivors => "left processes behind that could not be killed",
        }
    }
}

/// Why a call failed, with all that is known about it.
///
/// Both `Display` and `Debug` tell the whole story: the command, what was waited for and how long,
/// how the last check failed, how the process ended, what it printed last, and what to do.
pub struct Error {
    kind: ErrorKind,
    scene: Box<Scene>,
}

/// What an error tells. Every part but the command may be empty.
#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) command: String,
    /// The executor's name, if the user gave one.
    pub(crate) name: Option<String>,
    /// What happened, where the kind's own words are too general.
    pub(crate) headline: String,
    pub(crate) reason: String,
    pub(crate) waited_for: String,
    /// The time that was waited.
    pub(crate) waited: Option<Duration>,
    /// The time that was allowed. `Duration::MAX` is no bound.
    pub(crate) allowed: Option<Duration>,
    pub(crate) last_check: String,
    pub(crate) pid: Option<u32>,
    pub(crate) exit_code: Option<i32>,
    /// When it ended, where the code alone would mislead.
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
    others: Vec<Error>,
    /// The failure of one of these is the only reason.
    pub(crate) is_aftermath: bool,
}

impl Scene {
    /// The name of the executor, or else its command.
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

    /// Returns whether there are no last lines to show.
    pub(crate) fn is_silent(&self) -> bool {
        self.output.is_empty() && self.err_output.is_empty() && self.log.is_empty()
    }

    /// Notes how long was waited, and how long the wait was allowed to take.
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
}

impl Error {
    /// Joins the failures of processes that start together. The first gives the kind.
    pub(crate) fn of_several(errors: Vec<Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        first.scene.others.extend(errors);
        Some(first)
    }

    /// An error of a command without an executor.
    #[cfg(feature = "services")]
    pub(crate) fn of(command: &str, reason: &str, kind: ErrorKind) -> Self {
        Scene::new(command).reason(reason).into_error(kind)
    }

    pub(crate) fn is_aftermath(&self) -> bool {
        self.scene.is_aftermath
    }

    pub(crate) fn subject(&self) -> String {
        self.scene.subject()
    }

    pub(crate) fn add_note(&mut self, note: String) {
        self.scene.notes.push(note);
    }

    /// Why the call failed, in one line.
    pub(crate) fn in_short(&self) -> String {
        let scene = &*self.scene;
        let reason = scene.reason.lines().next().unwrap_or_default();
        let why = match (scene.exit_code, reason, &*scene.last_check) {
            (Some(code), ..) => describe_exit(code),
            (None, "", "") => self.headline().to_owned(),
            (None, "", check) => format!("{}; last check: {check}", self.headline()),
            (None, reason, _) => reason.to_owned(),
        };
        why.lines().next().unwrap_or_default().to_owned()
    }

    fn headline(&self) -> &str {
        match &*self.scene.headline {
            "" => self.kind.headline(),
            headline => headline,
        }
    }

    /// What went wrong, to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The main process's exit code where it had ended; negative for a signal's number. See
    /// [`Executor::exit_code`](crate::Executor::exit_code) for Windows.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.scene.exit_code
    }

    /// The last lines that the process printed: those of standard output, of standard error, and of the log file.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let streams = [
            &*self.scene.output,
            &*self.scene.err_output,
            &*self.scene.log,
        ];
        let printed: Vec<_> = streams
            .into_iter()
            .filter(|tail| !tail.is_empty())
            .collect();
        printed.join("\n")
    }

    /// The command, shell-quoted, with its placeholders filled in as far as they were known.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.scene.command
    }
}

impl Error {
    #[cfg(feature = "macros")]
    pub(crate) fn into_scene(self) -> Scene {
        *self.scene
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scene = &*self.scene;
        write!(f, "`{}` {}", scene.command, self.headline())?;
        line(f, "reason", &scene.reason)?;
        line(f, "waited for", &scene.waited_for)?;
        line(f, "how long", &scene.time_line())?;
        line(f, "last check", &scene.last_check)?;
        line(f, "process", &scene.process_line())?;
        line(f, "held by", &scene.held_by)?;
        for note in &scene.notes {
            line(f, "note", note)?;
        }
        block(f, "output", &scene.output)?;
        block(f, "error output", &scene.err_output)?;
        block(f, &format!("log file {}", scene.log_file), &scene.log)?;
        line(f, "help", &scene.advice)?;
        let mut others = scene.others.iter();
        others.try_for_each(|other| write!(f, "\n{other}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Converts the error for a function that returns [`io::Result`]. The text stays the whole story, and
/// [`io::Error::downcast`] returns the error itself.
///
/// ```
/// use mirakuru::SimpleExecutor;
///
/// fn start() -> std::io::Result<()> {
///     let service = SimpleExecutor::new("/no/such/program").started()?;
///     service.stop()?;
///     Ok(())
/// }
///
/// assert_eq!(start().unwrap_err().kind(), std::io::ErrorKind::NotFound);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::AlreadyRunning => io::ErrorKind::AddrInUse,
            ErrorKind::TimeoutExpired => io::ErrorKind::TimedOut,
            ErrorKind::InvalidConfig => io::ErrorKind::InvalidInput,
            _ => error
                .scene
                .source
                .as_ref()
                .map_or(io::ErrorKind::Other, io::Error::kind),
        };
        Self::new(kind, error)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.scene.source.as_ref().map(|source| source as _)
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

/// How much of each end of a line a person is shown.
const LINE_END: usize = 240;

/// A line that never ends is told by both its ends.
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
    fn a_line_that_never_ends_is_told_by_both_its_ends() {
        assert_eq!(readable("short"), "short");
        let long = format!("begin{}end", "é".repeat(5000));
        let reported = readable(&long);
        assert!(reported.starts_with("beginé"), "{reported}");
        assert!(reported.ends_with("éend"), "{reported}");
        assert!(reported.len() < 520, "{reported}");
    }
}
