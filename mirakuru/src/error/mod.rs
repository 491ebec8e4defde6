//! The error of every call: a kind to match on, and a scene, which holds everything that a reader of a CI log needs.
//!
//! `Display` prints the scene. `Debug` prints the same text, as `.unwrap()` and a test that returns `Err` print `Debug`.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::signal::describe_exit;
use crate::sys::exit_status_of;

mod scene;

pub(crate) use scene::{Scene, seconds};

/// The result of every call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`], to match on.
///
/// Two kinds mean that a process ended: [`ProcessExitedWithError`](Self::ProcessExitedWithError) before it was ready or
/// during a wait, and [`ProcessFinishedWithError`](Self::ProcessFinishedWithError) with an unexpected exit code at a
/// stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another process answers in place of the service, or another executor holds the lease on its fixed port.
    AlreadyRunning,
    /// The start timed out, or a wait for a condition, a line of output, a port or the answer of a server.
    TimeoutExpired,
    /// The process ended before it was ready, or during a wait.
    #[doc(alias = "ExitedEarly")]
    ProcessExitedWithError,
    /// The process ended with an unexpected exit code, before a stop or because of it. The stop returns this error.
    #[doc(alias = "UnexpectedExit")]
    ProcessFinishedWithError,
    /// The configuration is invalid. Nothing was spawned.
    InvalidConfig,
    /// The program could not be started: it is missing, not executable, or not permitted.
    Spawn,
    /// Another operation failed, for example because the system refused a call, a server refused a statement, or the
    /// service is not running.
    Io,
    /// Processes of the tree could not be killed in time. The error lists them.
    Survivors,
}

impl ErrorKind {
    /// Returns the words that follow "`command` …".
    fn headline(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "was not started: its readiness check passed before the start",
            Self::TimeoutExpired => "was not ready in time",
            Self::ProcessExitedWithError => "ended before it was ready",
            Self::ProcessFinishedWithError => "ended with an unexpected exit code",
            Self::InvalidConfig => "cannot be started: the configuration is invalid",
            Self::Spawn => "could not be started",
            Self::Io => "failed",
            Self::Survivors => "left processes behind that could not be killed",
        }
    }
}

/// The error of every call that can fail.
///
/// `Display` and `Debug` print the same text: the command, what the call waited for, how long it waited, how long it
/// was allowed to wait, how the last check failed, how the process ended, its last output, and what to do. The methods
/// return the parts.
///
/// ```
/// use std::time::Duration;
///
/// use mirakuru::{ErrorKind, OutputExecutor};
///
/// let service = OutputExecutor::new("sh -c 'echo starting; exec sleep 60'", "^ready$");
/// let error = service.timeout(Duration::from_millis(200)).start().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
/// assert_eq!(error.waited_for(), Some("a line of its output that matches \"^ready$\""));
/// assert_eq!(error.timeout(), Some(Duration::from_millis(200)));
/// assert_eq!(error.last_check(), Some("no line matched"));
/// assert_eq!(error.output_tail(), "starting");
/// ```
pub struct Error {
    kind: ErrorKind,
    scene: Box<Scene>,
}

impl Error {
    /// Joins the failures of processes that start together. The first failure gives the kind.
    pub(crate) fn of_several(errors: Vec<Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        first.scene.others.extend(errors);
        Some(first)
    }

    /// Creates the error of a command that has no executor.
    #[cfg(feature = "services")]
    pub(crate) fn of(command: &str, reason: &str, kind: ErrorKind) -> Self {
        Scene::new(command).reason(reason).into_error(kind)
    }

    pub(crate) fn is_consequence(&self) -> bool {
        self.scene.is_consequence
    }

    pub(crate) fn subject(&self) -> String {
        self.scene.subject()
    }

    pub(crate) fn add_note(&mut self, note: String) {
        self.scene.notes.push(note);
    }

    /// Returns why the call failed, in one line.
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

    /// Returns the kind of the error, to match on.
    ///
    /// ```
    /// use mirakuru::{ErrorKind, SimpleExecutor};
    ///
    /// let error = SimpleExecutor::new("/no/such/program").start().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Spawn);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the exit code of the main process, if it had ended. The code is the negative number of the signal that
    /// ended the process: `-9` for `SIGKILL`. [`Executor::exit_code`](crate::Executor::exit_code) describes Windows.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("sh -c 'exit 3'", "ready").start().unwrap_err();
    /// assert_eq!(error.exit_code(), Some(3));
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.scene.exit_code
    }

    /// Returns the exit status of the main process, if it had ended. See
    /// [`Executor::exit_status`](crate::Executor::exit_status).
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("sh -c 'exit 3'", "ready").start().unwrap_err();
    /// assert_eq!(error.exit_status().and_then(|status| status.code()), Some(3));
    /// ```
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.scene.exit_code.map(exit_status_of)
    }

    /// Returns what the call waited for, as the line `waited for` shows it, if it waited.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("true", "ready").start().unwrap_err();
    /// assert_eq!(error.waited_for(), Some("a line of its output that matches \"ready\""));
    /// ```
    #[must_use]
    pub fn waited_for(&self) -> Option<&str> {
        given(&self.scene.waited_for)
    }

    /// Returns how long the call waited, if it waited.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("true", "ready").start().unwrap_err();
    /// assert!(error.waited().expect("the start waited") < Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        self.scene.waited
    }

    /// Returns how long the call was allowed to wait. The value contains the factor of `MIRAKURU_TIMEOUT_SCALE`.
    /// Returns `None` if the call did not wait, or waited without a limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("true", "ready").start().unwrap_err();
    /// assert!(error.timeout() >= Some(Duration::from_secs(60)), "60 s by default");
    /// ```
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.scene.allowed
    }

    /// Returns why the last readiness check failed, if a check ran.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("echo hello", "ready").start().unwrap_err();
    /// assert_eq!(error.last_check(), Some("no line matched"));
    /// ```
    #[must_use]
    pub fn last_check(&self) -> Option<&str> {
        given(&self.scene.last_check)
    }

    /// Returns the process that holds the port or the lock, if one prevented the call: its pid and its command.
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// use mirakuru::TcpExecutor;
    ///
    /// let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    /// let port = other.local_addr().expect("bound").port();
    /// let error = TcpExecutor::new("sleep 60", "127.0.0.1", port).start().unwrap_err();
    /// # if cfg!(target_os = "linux") {
    /// let pid = format!("pid {}", std::process::id());
    /// assert!(error.held_by().expect("this process listens").starts_with(&pid));
    /// # }
    /// ```
    #[must_use]
    pub fn held_by(&self) -> Option<&str> {
        given(&self.scene.held_by)
    }

    /// Returns the last lines that the process printed: those of standard output, of standard error, and of the log file.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// let error = OutputExecutor::new("echo no space left", "ready").start().unwrap_err();
    /// assert_eq!(error.output_tail(), "no space left");
    /// ```
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

    /// Returns the command, shell-quoted. The placeholders whose values were known are filled in.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let error = SimpleExecutor::new("/no/such/program --host {host}").start().unwrap_err();
    /// assert_eq!(error.command(), "/no/such/program --host 127.0.0.1");
    /// ```
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
        self.scene.write(self.headline(), f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Converts the error for a function that returns [`io::Result`]. The text stays the same, and
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

/// Returns the text, unless it is empty.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
