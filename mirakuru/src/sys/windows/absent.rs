//! What the system does not have: Unix sockets, marks, namespaces, and the rest of the contract.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::process::Pid;
use super::sockets::{Socket, Wakeup};

/// Returns true: a path is for a pid file or the like.
pub(crate) fn is_short_enough(_path: &Path) -> bool {
    true
}

/// Fails.
pub(crate) fn connect_within(_path: &Path, _wait: Duration) -> io::Result<Socket> {
    Err(ErrorKind::Unsupported.into())
}

/// The messages of `sd_notify(3)`, which no service sends here.
#[derive(Debug)]
pub(crate) enum Notices {}

pub(crate) type Notice = (Vec<u8>, Option<(Pid, u32)>);

impl Notices {
    /// Fails.
    pub(crate) fn bind(_path: &Path) -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
    }

    pub(crate) fn wakeup(&self) -> Wakeup<'_> {
        match *self {}
    }

    pub(crate) fn receive(&self) -> Option<Notice> {
        match *self {}
    }
}

/// Returns no process: the job of a killed supervisor ends with it, so nothing is left.
pub(crate) fn marked(_mark: &str) -> Vec<Pid> {
    Vec::new()
}

/// Returns false: the environment of another process is not shown.
pub(crate) fn carries(_pid: Pid, _mark: &str) -> bool {
    false
}

/// Returns false: no message tells who has sent it.
pub(crate) fn is_below_this(_process: Pid) -> Option<bool> {
    Some(false)
}

/// Nothing is compared with it.
pub(crate) fn wall_clock() -> Duration {
    Duration::ZERO
}

/// Returns `None`: the system's own threads exist in every process.
pub(crate) fn threads() -> Option<usize> {
    None
}

/// Returns `None`: a user has no number.
pub(crate) fn user_of(_name: &str) -> Option<(u32, u32, Vec<u32>)> {
    None
}

pub(crate) fn lower_oom_score() -> Option<String> {
    None
}

/// Returns nothing: the system has no namespaces.
pub(crate) fn namespaces() -> [u64; 2] {
    [0; 2]
}

/// Returns `None`: a line for the runner is printed by the test.
pub(crate) fn standard_error_of(_pid: Pid) -> Option<std::fs::File> {
    None
}

/// Returns false: no call tells that a process waits for its input.
pub(crate) fn waits_for_input(_supervisor: Pid) -> bool {
    false
}

/// Returns false: shared memory ends with the last process that has it open.
pub(crate) fn remove_shared_memory(_makers: &[(Pid, Duration)], _since: Duration) -> bool {
    false
}
