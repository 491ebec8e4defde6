//! Implements the Windows part. The tree is a Job Object that only the supervisor has open, so the system kills the
//! whole tree with the supervisor.
//!
//! Limits:
//!
//! - A supervisor notices `process::exit` only by the end of the test process, as no exit hook runs then. Other
//!   systems stop a service before the exit. Windows stops it a moment after the exit.
//! - A signal terminates a process; `SIGINT` sends `CTRL_BREAK`.
//! - No call shows the environment of another process.

mod absent;
mod bell;
mod claims;
mod connect;
mod directories;
mod door;
mod files;
mod job;
mod names;
mod ports;
mod process;
pub(crate) mod signals;
mod sockets;
mod spawn;
mod streams;
mod supervisor;
mod tree;

pub(crate) use absent::*;
pub(crate) use bell::Wakeups;
pub(crate) use claims::*;
pub(crate) use connect::connect;
pub(crate) use directories::*;
pub(crate) use door::*;
pub(crate) use files::*;
pub(crate) use names::*;
pub(crate) use ports::*;
pub(crate) use process::*;
pub(crate) use signals::{check_signal, describe_death, exit_status_of};
pub(crate) use sockets::*;
pub(crate) use spawn::Spawn;
pub(crate) use streams::*;
pub(crate) use supervisor::*;
pub(crate) use tree::Tree;
