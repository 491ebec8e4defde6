//! Windows: the tree is a Job Object that the supervisor alone has open, so the system ends all of it with the
//! supervisor.
//!
//! Limits. A supervisor learns of `process::exit` by the end of the test process, as no exit hook runs then: what is
//! gone before the exit on other systems is gone a moment later. A signal terminates; `SIGINT` asks by `CTRL_BREAK`. No
//! call shows the environment of another process.

mod absent;
mod bell;
mod claims;
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
