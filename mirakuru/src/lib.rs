//! Starts real programs around tests, waits until they are ready, and leaves nothing behind.
//!
#![cfg_attr(all(unix, feature = "macros", feature = "services"), doc = "```no_run")]
#![cfg_attr(
    not(all(unix, feature = "macros", feature = "services")),
    doc = "```ignore"
)]
//! use mirakuru::{services::Database, with_process};
//!
//! #[with_process(postgres, database = true)]
//! #[test]
//! fn has_a_database(db: &Database) {
//!     println!("{}", db.url()); // postgres://postgres@127.0.0.1:24816/test_…
//! } // The server and all its child processes are gone here, even if the test panics.
//! ```
//!
//! A program of your own needs only its command. [`with_process`] lists all options of the attribute. Without it, create
//! an executor in the test:
//!
//! ```no_run
//! use mirakuru::TcpExecutor;
//!
//! #[test]
//! fn accepts_connections() -> mirakuru::Result<()> {
//!     let command = "my-server --port {port}";
//!     let server = TcpExecutor::new(command, "127.0.0.1", 0).started()?;
//!     std::net::TcpStream::connect(server.addr()).expect("the server is ready");
//!     server.stop()?; // A drop stops it too, but returns no error.
//!     Ok(())
//! }
//! ```
//!
//! # Which executor
//!
//! | the program | attribute | by hand |
//! |---|---|---|
//! | is PostgreSQL, Redis or one of seven other known servers (not on Windows) | `postgres`, `redis`, … | [`services`] |
//! | prints a line once it can answer | `output`, `banner` | [`OutputExecutor`] |
//! | answers HTTP requests | `http`, `url` | [`HttpExecutor`] |
//! | listens on a TCP port | `tcp` | [`TcpExecutor`] |
//! | listens on a Unix socket (not on Windows) | `unix`, `socket` | [`UnixSocketExecutor`] |
//! | writes a pid file | `pid`, `filename` | [`PidExecutor`] |
//! | reports readiness by `sd_notify(3)` (not on Windows) | `notify` | [`NotifyExecutor`] |
//! | only has to run | `simple` | [`SimpleExecutor`] |
//! | shows its readiness in another way | `executor` | [`Executor::when`], [`Executor::with_readiness`] |
//!
//! Use the first row that fits: [`guide::readiness`] explains the order. Each row is an [`Executor`]
//! with a check from [`readiness`], and checks combine with `and`, `or` and `then`. [`Shared`] holds one
//! or several executors in a static, for all tests of a process or of a whole run. [`start_all`] starts several
//! executors at the same time. [`export!`] sets an environment variable to a value of a [`Shared`], such as its
//! URL, before `main`.
//!
//! # Placeholders
//!
//! Commands, environment values, URLs and paths may contain these:
//!
//! | placeholder | stands for | method |
//! |---|---|---|
//! | `{port}` | a free port that no other test gets | [`port()`](Executor::port) |
//! | `{port:NAME}` | another free port of the same executor | [`port_named()`](Executor::port_named) |
//! | `{host}` | the host that is checked, by default `127.0.0.1` | [`host()`](Executor::host) |
//! | `{tmpdir}` | a private directory, which is removed once no process of the service is left | [`tmpdir()`](Executor::tmpdir) |
//! | `{socket}` | a path for a Unix socket in that directory | [`socket()`](Executor::socket) |
//! | `{pidfile}` | a path for a pid file in that directory | [`filename()`](Executor::filename) |
//! | `{OTHER.port}`, … | a value of [another process](with_process#several-processes) of the test, or of [another executor](guide::sharing#a-cluster) of the same [`Shared`] | – |
//!
//! The methods work before the start too, so a test can write a configuration file first. `{{port}}`
//! writes `{port}`. All other braces, such as those of `${HOME}` and JSON, stay as they are.
//!
//! # Environment variables
//!
//! | variable | effect |
//! |---|---|
//! | `MIRAKURU_LOG=1` | prints each step of each start and stop to standard error |
//! | `MIRAKURU_KEEP=1` | keeps the output and the private directory of each service |
//! | `MIRAKURU_TRACE=FILE` | writes a timeline of all services |
//! | `MIRAKURU_TIMEOUT_SCALE=3` | multiplies the time limit of each start, wait and stop by 3 |
//! | `MIRAKURU_CACHE=off` | disables the cache of [`services`]: each start creates all files again |
//! | `MIRAKURU_QUEUE_TIMEOUT=600` | limits the wait for a port or a lock, in seconds |
//!
//! [`guide::environment`] describes each variable in full.
//!
//! # Crate features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | the attribute [`with_process`] |
//! | `http` | yes | [`HttpExecutor`] and [`readiness::Http`], without TLS |
//! | `https` | no | TLS for the HTTP check |
//! | `services` | yes | checks in the servers' protocols, such as [`readiness::Postgres`]; except on Windows, also [`services`] and the attribute's words such as `postgres` |
//!
//! # Platforms
//!
//! - Linux 5.9 or later is fully supported. `/proc` must be mounted: each executor starts a helper
//!   process, the supervisor, from `/proc/self/exe`.
//! - On macOS and other Unixes, Mirakuru uses no subreaper (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`), so a stop cannot
//!   prove that the process tree is gone.
//! - On Windows, a stop terminates the whole process tree at once by default, by a Job Object. Windows lacks [`services`], the executors
//!   and checks for Unix sockets and `sd_notify(3)`, and the options `user`, `user_if_root`, `umask`, `nice` and `rlimit`.
//! - [One table](guide::platforms) lists the promises, and names the test for each one on each system, or says that
//!   there is none.
//! - A test binary that is set-user-id or set-group-id, or has file capabilities, cannot start services. A
//!   process whose effective user differs from its real user (`seteuid(2)`) cannot either.
//!
//! # Guide
//!
//! The [`guide`] has a page for each question:
//!
//! - [Which check](guide::readiness), [a check of your own](guide::own_readiness)
//! - [Stopping](guide::stopping): what happens after a panic, an exit, Ctrl-C or a kill
//! - [Ready-made servers](guide::services), [a web backend from A to Z](guide::web_backend)
//! - [Ports](guide::ports), [sharing one server](guide::sharing)
//! - [cargo-nextest](guide::nextest), [async tests](guide::async_tests), [containers and
//!   CI](guide::containers)
//! - [Troubleshooting](guide::troubleshooting), [environment variables](guide::environment)
//! - [From testcontainers](guide::from_testcontainers), [from the Python
//!   library](guide::from_python), [performance](guide::performance)

// Labels show the crate's features. The items that Windows lacks say so themselves.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(unix))))]
#![cfg_attr(
    all(windows, feature = "services"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "the ready-made services are for Unixes"
    )
)]
#![expect(clippy::test_attr_in_doctest, reason = "the examples are tests")]

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private;
mod command;
mod environment;
mod error;
mod events;
mod executor;
pub mod guide;
mod limits;
mod link;
mod locks;
#[cfg(test)]
mod loopback;
#[cfg(test)]
#[path = "../../tests/fuzz/mutate.rs"]
mod mutate;
mod output;
mod paths;
mod port;
mod protocol;
pub mod readiness;
#[cfg(all(test, unix))]
#[allow(
    dead_code,
    reason = "which tests use it depends on the system and on the features"
)]
mod rerun;
#[cfg(test)]
#[path = "../../tests/fuzz/rounds.rs"]
mod rounds;
mod run;
#[cfg(all(unix, feature = "services"))]
pub mod services;
mod shared;
mod signal;
mod supervisor;
mod sys;
mod tmpdir;
mod wait;

pub use {
    command::{CommandLine, Stdio},
    error::{Error, ErrorKind, Result},
    executor::{
        AnyExecutor, Executor, OutputExecutor, PidExecutor, SimpleExecutor, Stopped, TcpExecutor,
    },
    output::{Lines, Output},
    port::OnConflict,
    readiness::{Context, NotReady, Readiness, Stream},
    shared::{Fixture, Guard, Shared, slot, start_all, start_all_of},
    signal::Signal,
};

#[cfg(unix)]
pub use {
    executor::{NotifyExecutor, UnixSocketExecutor},
    limits::Resource,
};

#[doc(hidden)]
pub use shared::export as __export;

#[cfg(feature = "http")]
pub use executor::HttpExecutor;

#[cfg(feature = "macros")]
pub use mirakuru_macros::with_process;

/// The README's examples are compiled with the documentation's.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
