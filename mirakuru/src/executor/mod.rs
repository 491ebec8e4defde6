//! Joins one process tree to one readiness check: `Executor<R>` and its options. The type of the check matters
//! only before the start. `Core` contains everything else, and is compiled once, in this library.

// rustdoc lists the methods of `Executor` in the order of these modules: create, configure, start,
// use, stop.
mod kinds;

mod options;

#[cfg(unix)]
mod of_unix;

mod start;

mod accessors;
mod input;

mod condition;

mod stop;

mod outage;

mod claim;
mod config;
mod core;
mod elsewhere;
mod failures;
mod known_ports;
mod namesake;
mod port;
mod port_release;
#[cfg(feature = "services")]
mod provision;
mod report;
mod reuse;
mod run;
mod settle;
mod shared_by_run;
mod spawn;
mod state;
mod together;
mod verdict;
mod wait;

use std::fmt;
use std::sync::Arc;

use crate::command::CommandLine;
use crate::error::Result;
use crate::readiness::Readiness;

pub(crate) use self::core::Core;
pub(crate) use failures::count_failures;
#[cfg(feature = "http")]
pub use kinds::HttpExecutor;
pub use kinds::{AnyExecutor, OutputExecutor, PidExecutor, SimpleExecutor, TcpExecutor};
pub(crate) use namesake::ensure_only_one_of_its_name;
#[cfg(unix)]
pub use of_unix::{NotifyExecutor, UnixSocketExecutor};
pub use outage::Stopped;
#[cfg(feature = "services")]
pub(crate) use provision::{Missing, Provision, Site, Unfurnished};
pub(crate) use together::{introduce, start_together};
#[cfg(feature = "macros")]
pub(crate) use {run::Moment, together::reserve};

/// A process, all processes that it starts, and the check that decides when it is ready.
///
/// [`TcpExecutor`] and the similar types are executors with a check of this crate.
/// [`with_readiness`](Self::with_readiness) and [`when`](Self::when) take a check of your own.
///
/// Option methods take the executor by value and return it. All other methods take `&self` and may be
/// called from any thread. The methods are listed in the order of use: create, configure, start, use,
/// stop.
///
/// # Drop
///
/// Dropping a running executor stops it, as [`stop`](Self::stop) does. During a panic, drop sends the kill
/// signal after two seconds at most. Drop never panics and returns no error: call [`stop`](Self::stop) to see
/// why a stop failed. If drop does not run (a static, `mem::forget`, `process::exit`, `abort`, a signal), the
/// process tree still ends with the test process; see
/// [stopping](crate::guide::stopping#however-the-test-ends).
///
/// In a forked child of the test process, `start`, `stop` and drop of an executor of the parent do nothing,
/// [`running`](Self::running) returns `false`, and [`tmpdir`](Self::tmpdir) panics.
#[must_use = "an executor starts nothing before `start` or `started`, and a dropped executor stops its process: bind it to a variable"]
pub struct Executor<R: Readiness> {
    core: Core,
    /// The check with its own type, which the options of its kind change. `None` in a boxed executor.
    check: Option<Arc<R>>,
}

impl<R: Readiness> Executor<R> {
    pub(crate) fn of_kind(kind: &'static str, command: impl Into<CommandLine>, check: R) -> Self {
        let check = Arc::new(check);
        Self {
            core: Core::new(
                kind,
                command.into(),
                Arc::clone(&check) as Arc<dyn Readiness>,
            ),
            check: Some(check),
        }
    }

    /// Replaces the check with a changed copy. An abandoned probe may still use the former check.
    fn with_check(mut self, change: impl FnOnce(R) -> R) -> Self
    where
        R: Clone,
    {
        if let Some(check) = self.check {
            let changed = Arc::new(change((*check).clone()));
            let first = Arc::clone(&changed) as Arc<dyn Readiness>;
            self.core.check = self.core.also.iter().cloned().fold(first, followed_by);
            self.check = Some(changed);
        }
        self
    }

    /// Replaces the check of a ready-made service with a changed copy, which also provides the program and the files
    /// of a start.
    #[cfg(feature = "services")]
    pub(crate) fn with_service(self, change: impl FnOnce(R) -> R) -> Self
    where
        R: Clone + Provision,
    {
        let mut changed = self.with_check(change);
        let provision = changed.check.clone();
        changed.core.config.provision = provision.map(|check| check as Arc<dyn Provision>);
        changed
    }

    /// Returns the check with its own type.
    #[cfg(feature = "services")]
    pub(crate) fn check(&self) -> Option<&R> {
        self.check.as_deref()
    }

    /// Returns the part of the executor that does not depend on the type of its check.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    #[cfg(feature = "macros")]
    pub(crate) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Calls `act` with the core, except in a forked child.
    fn act(&self, act: impl FnOnce(&Core) -> Result<()>) -> Result<&Self> {
        self.core.unless_forked().map_or(Ok(()), act)?;
        Ok(self)
    }
}

impl<R: Readiness> fmt::Display for Executor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl<R: Readiness> fmt::Debug for Executor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.core, f)
    }
}

/// Returns a check that asks `second` once `first` has passed.
fn followed_by(first: Arc<dyn Readiness>, second: Arc<dyn Readiness>) -> Arc<dyn Readiness> {
    Arc::new(first.then(second))
}
