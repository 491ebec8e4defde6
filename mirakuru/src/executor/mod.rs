//! `Executor<R>`: one process tree joined to one readiness check, and its options.

mod accessors;
mod attached;
mod awaited;
mod claim;
mod config;
mod kinds;
mod order;
mod outage;
mod ready;
mod report;
mod run;
mod session;
mod settle;
mod start;
mod stop;
mod verdict;

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::command::{CommandLine, EnvChange, Stdio};
use crate::events::{self, Step};
use crate::limits::Resource;
use crate::port::OnConflict;
use crate::readiness::{Readiness, When};
use crate::run::Scope;
use crate::signal::Signal;

#[cfg(feature = "http")]
pub use kinds::HttpExecutor;
pub use kinds::{
    AnyExecutor, OutputExecutor, PidExecutor, SimpleExecutor, TcpExecutor, UnixSocketExecutor,
};
pub use outage::Stopped;
#[cfg(feature = "macros")]
pub(crate) use run::Which;

use config::Config;
use session::Session;

/// A process, everything that it starts, and the check that says when it is ready.
///
/// The executors ([`TcpExecutor`] and its like) are this with a check of the crate; with a check of
/// your own it is made by [`with_readiness`](Self::with_readiness) or [`when`](Self::when).
///
/// Options consume the executor and give it back; everything else takes `&self`, from any thread.
///
/// # Drop
///
/// Dropping a running executor stops it, as [`stop`](Self::stop) does; while panicking it kills the
/// tree at once. It never panics: to see why a stop failed, call [`stop`](Self::stop) first. Where
/// drop does not run (a static, `mem::forget`, `process::exit`, `abort`, a signal) the tree goes
/// with the test process all the same, see the [crate's documentation](crate). In a forked child of
/// the test process a start, a stop and a drop do nothing, nothing runs as far as the child can tell,
/// and what would make a directory panics.
#[must_use = "an executor starts nothing until `start` is called, and stops what it started when it is dropped"]
pub struct Executor<R: Readiness> {
    config: Config,
    readiness: Arc<R>,
    session: Session,
}

impl<R: Readiness> Executor<R> {
    /// Joins a command to a check, one of [`readiness`](crate::readiness), a combination of them,
    /// or one of your own.
    pub fn with_readiness(command: impl Into<CommandLine>, readiness: R) -> Self {
        Self::of_kind("Executor", command, readiness)
    }

    fn of_kind(kind: &'static str, command: impl Into<CommandLine>, readiness: R) -> Self {
        Self {
            config: Config::new(kind, command.into()),
            readiness: Arc::new(readiness),
            session: Session::default(),
        }
    }

    /// The same executor with another check; its session goes on.
    fn map_readiness<S: Readiness>(self, map: impl FnOnce(Arc<R>) -> S) -> Executor<S> {
        let Self {
            config,
            readiness,
            session,
        } = self;
        Executor {
            config,
            readiness: Arc::new(map(readiness)),
            session,
        }
    }

    /// Changes the check; it may be shared with a probe that was given up.
    fn with_check(mut self, change: impl FnOnce(R) -> R) -> Self
    where
        R: Clone,
    {
        self.readiness = Arc::new(change((*self.readiness).clone()));
        self
    }

    /// The working directory; placeholders are filled in. The test process's by default.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.config.shape.cwd = Some(directory.as_ref().to_owned());
        self
    }

    /// Runs the command by `/bin/sh -c`, so with expansions, pipes and redirections. Placeholders
    /// are filled in unquoted.
    pub fn shell(mut self, shell: bool) -> Self {
        self.config.shape.shell = shell;
        self
    }

    /// Sets an environment variable; placeholders in the value are filled in. All others are the
    /// test process's, as they are at the start.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let change = EnvChange::Set(name.as_ref().to_owned(), value.as_ref().to_owned());
        self.config.shape.env.push(change);
        self
    }

    /// Sets environment variables; see [`env`](Self::env).
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        variables
            .into_iter()
            .fold(self, |executor, (name, value)| executor.env(name, value))
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.config
            .shape
            .env
            .push(EnvChange::Remove(name.as_ref().to_owned()));
        self
    }

    /// Removes all environment variables but those that are set afterwards, and the mark of the
    /// tree.
    pub fn env_clear(mut self) -> Self {
        self.config.shape.env.push(EnvChange::Clear);
        self
    }

    /// How long the whole start may take: the check before it, the spawn, and every check after
    /// it. 60 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// How long the process may take to stop before the kill signal is sent. 10 seconds by default.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.config.stop_timeout = timeout;
        self
    }

    /// How often the check is asked where nothing tells that it is worth it. By default a small
    /// share of the time already waited, between 0.4 and 60 milliseconds.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.config.poll_interval = Some(interval);
        self
    }

    /// The signal that asks the process to stop. [`Signal::TERM`] by default.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.config.stop_signal = signal;
        self
    }

    /// The signal that ends the process when asking was in vain, when a start fails, when a guard is
    /// dropped in a panic, and that [`kill`](Self::kill) sends. [`Signal::KILL`] by default; behind
    /// another one, KILL follows after the stop timeout where it is ignored. One that the process
    /// can hear is for what has to clean up in any case, as the client of a container engine has.
    pub fn kill_signal(mut self, signal: Signal) -> Self {
        self.config.kill_signal = signal;
        self
    }

    /// The exit code that a stop is to end with, beside 0; negative for a signal's number. By
    /// default death by the stop signal `n`, or the code `128 + n`.
    pub fn expected_returncode(mut self, code: i32) -> Self {
        self.config.expected_returncode = Some(code);
        self
    }

    /// What a start does where somebody holds the fixed port already. By default [`OnConflict::Fail`];
    /// [`OnConflict::Wait`] in the attribute, and for shared fixtures.
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.config.on_conflict = Some(policy);
        self
    }

    /// Where standard input comes from. `/dev/null` by default.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.config.shape.streams.stdin = stdin.into();
        self
    }

    /// Where standard output goes. Captured by default.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.config.shape.streams.stdout = stdout.into();
        self
    }

    /// Where standard error goes. Captured by default.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.config.shape.streams.stderr = stderr.into();
        self
    }

    /// Runs the service as this user, by name or number, with all of their groups. The private
    /// directory is theirs too. Needs the right to change users.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a name or a number is given, not borrowed"
    )]
    pub fn user(mut self, user: impl ToString) -> Self {
        self.config.shape.user = Some(user.to_string());
        self
    }

    /// The service's file mode creation mask; see `umask(2)`.
    pub fn umask(mut self, mask: u32) -> Self {
        self.config.shape.umask = Some(mask);
        self
    }

    /// Adds to the service's niceness; see `nice(2)`.
    pub fn nice(mut self, by: i32) -> Self {
        self.config.shape.nice = Some(by);
        self
    }

    /// Bounds a resource of the service; `u64::MAX` is no bound. See `setrlimit(2)`.
    pub fn rlimit(mut self, resource: Resource, soft: u64, hard: u64) -> Self {
        self.config.shape.rlimits.push((resource, soft, hard));
        self
    }

    /// A name for errors and logs, in place of the kind.
    pub fn name(mut self, name: &str) -> Self {
        self.config.name = Some(name.to_owned());
        self
    }

    /// The same executor with its check's type erased, to be kept with others.
    pub fn boxed(self) -> AnyExecutor {
        self.map_readiness(|readiness| Box::new(readiness) as Box<dyn Readiness>)
    }

    /// Whether the user left it to the default what happens on a conflict.
    #[cfg(feature = "macros")]
    pub(crate) fn on_conflict_unset(&self) -> bool {
        self.config.on_conflict.is_none()
    }

    /// Tells a step to those who look.
    fn tell(&self, step: &Step<'_>) {
        events::tell(step, self.title(), || self.command());
    }

    /// The name for people: the given one, that of the fixture, or the kind.
    fn title(&self) -> &str {
        let given = self.config.name.as_deref();
        given
            .or_else(|| self.session.fixture_name())
            .unwrap_or(self.config.kind)
    }

    /// Tests share it from now on.
    pub(crate) fn become_fixture(&self, scope: Scope) {
        self.session.become_fixture(scope);
    }
}

impl<F: Fn(&crate::readiness::Context) -> bool + Send + Sync + 'static> Executor<When<F>> {
    /// Joins a command to a closure that says whether it is ready.
    ///
    /// ```
    /// use mirakuru::Executor;
    /// use mirakuru::readiness::Context;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::when("sh -c 'echo $$ > {tmpdir}/up; exec sleep 60'", |cx: &Context| {
    ///     cx.tmpdir().join("up").exists()
    /// })
    /// .started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn when(command: impl Into<CommandLine>, ready: F) -> Self {
        Self::with_readiness(command, When(ready))
    }
}

impl<R: Readiness> fmt::Display for Executor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.command())
    }
}

impl<R: Readiness> fmt::Debug for Executor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.config.kind)
            .field("command", &self.command())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
