//! `Executor<R>`: one process tree joined to one readiness check, and its options.

// rustdoc lists the methods of `Executor` in the order of these modules: create, configure, start,
// use, stop.
mod kinds;

mod options;

mod start;

mod accessors;
mod awaited;

mod stop;

mod outage;

mod attached;
mod claim;
mod config;
mod order;
mod ready;
mod report;
mod run;
mod session;
mod settle;
mod verdict;

use std::fmt;
use std::sync::Arc;

use crate::command::CommandLine;
use crate::events::{self, Step};
use crate::readiness::Readiness;
use crate::run::Scope;

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
/// [`TcpExecutor`] and its siblings are executors with a check of this crate.
/// [`with_readiness`](Self::with_readiness) and [`when`](Self::when) take a check of your own.
///
/// Option methods take the executor by value and return it. All other methods take `&self` and may be
/// called from any thread. The methods are listed in the order of use: create, configure, start, use,
/// stop.
///
/// # Drop
///
/// Dropping a running executor stops it, as [`stop`](Self::stop) does. A drop during a panic kills the
/// process tree at once. Drop never panics and returns no error: call [`stop`](Self::stop) to see why a
/// stop failed. If drop does not run (a static, `mem::forget`, `process::exit`, `abort`, a signal), the
/// process tree still ends with the test process; see
/// [stopping](crate::guide::stopping#however-the-test-ends). In a forked child of the test process,
/// `start`, `stop` and drop are no-ops, [`running`](Self::running) returns `false`, and
/// [`tmpdir`](Self::tmpdir) panics.
#[must_use = "an executor starts nothing until `start` is called, and stops what it started when it is dropped"]
pub struct Executor<R: Readiness> {
    config: Config,
    readiness: Arc<R>,
    session: Session,
}

impl<R: Readiness> Executor<R> {
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
