//! Starts real programs around tests, returns the moment they are really ready, and leaves nothing
//! behind.
//!
//! ```no_run
//! use mirakuru::TcpExecutor;
//!
//! # fn main() -> mirakuru::Result<()> {
//! let redis = TcpExecutor::new("redis-server --port {port} --save ''", "127.0.0.1", 0).started()?;
//! let connection = std::net::TcpStream::connect(redis.addr()); // it answers from here on
//! # drop(connection);
//! # Ok(())
//! # } // and is gone here, with everything that it started
//! ```
//!
//! # Which executor
//!
//! | executor | ready when |
//! |---|---|
//! | [`OutputExecutor`] | a line of its output matches a regular expression: the surest |
//! | [`TcpExecutor`] | a TCP port accepts a connection |
//! | [`UnixSocketExecutor`] | a Unix socket accepts a connection |
//! | [`HttpExecutor`] | a URL answers with an accepted status |
//! | [`PidExecutor`] | a file exists: for services that daemonize |
//! | [`SimpleExecutor`] | it is spawned |
//! | [`Executor::when`], [`Executor::with_readiness`] | you say so |
//!
//! All are [`Executor`]s with a check of [`readiness`], and checks combine with `and`, `or` and
//! `then`.
//!
//! The [`guide`] has a page for each question: which check, stopping, ports, sharing one server,
//! nextest, async tests, errors, containers and CI.
//!
//! # Gone means gone
//!
//! When [`stop`](Executor::stop), [`kill`](Executor::kill) or a drop returns, the kernel has confirmed
//! that no process of the tree is left: not the main process, not its children, not a daemon that
//! double-forked into a session of its own. Each executor has a supervisor for this: the test's own
//! binary, run again and entered before `main`, which is the subreaper of the tree
//! (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`) and watches the test process.
//!
//! | the test process | the tree |
//! |---|---|
//! | drops the executor | is stopped, and gone when the drop returns |
//! | panics | is killed, and gone when the drop returns |
//! | returns from `main`, or calls `process::exit` | is stopped by an exit hook, statics and leaked executors included, and gone when the process is |
//! | aborts, or is killed by any signal | is stopped by the supervisor, and killed after two seconds |
//!
//! Who kills the supervisor itself gets the second line of defence: the kernel kills the service
//! with it, and the test process sweeps the rest by a mark in the environment, and says so.
//!
//! # Platforms
//!
//! Linux 5.9 and later is complete. Other Unixes lack the subreaper: there, what leaves the service's
//! process group is not found. Windows is not supported yet.
//!
//! A test binary that is set-user-id, set-group-id or has file capabilities cannot supervise, nor can a
//! process while its effective user is not its real one (`seteuid(2)`). The supervisor reads its own
//! program from `/proc/self/exe`, so `/proc` must be mounted.

#[cfg(windows)]
#[path = "sys/windows.rs"]
mod windows;

#[cfg(all(unix, feature = "macros"))]
#[doc(hidden)]
pub mod __private;
#[cfg(unix)]
mod command;
#[cfg(unix)]
mod environment;
#[cfg(unix)]
mod error;
#[cfg(unix)]
mod events;
#[cfg(unix)]
mod executor;
#[cfg(unix)]
pub mod guide;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod link;
#[cfg(unix)]
mod locks;
#[cfg(all(unix, test))]
mod loopback;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod paths;
#[cfg(unix)]
mod port;
#[cfg(unix)]
mod protocol;
#[cfg(unix)]
pub mod readiness;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod signal;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod sys;
#[cfg(unix)]
mod tmpdir;
#[cfg(unix)]
mod wait;

#[cfg(unix)]
pub use {
    command::{CommandLine, Stdio},
    error::{Error, ErrorKind, Result},
    executor::{
        AnyExecutor, Executor, OutputExecutor, PidExecutor, SimpleExecutor, Stopped, TcpExecutor,
        UnixSocketExecutor,
    },
    limits::Resource,
    output::{Lines, Output},
    port::OnConflict,
    readiness::{Context, NotReady, Readiness, Stream},
    shared::{Fixture, Guard, Shared, slot},
    signal::Signal,
};

#[cfg(all(unix, feature = "http"))]
pub use executor::HttpExecutor;

#[cfg(all(unix, feature = "macros"))]
pub use mirakuru_macros::with_process;

/// The README's examples are compiled with the documentation's.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
