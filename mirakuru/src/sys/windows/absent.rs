//! Defines what Windows lacks: Unix sockets, marks in the environment, namespaces, and the rest of the interface of
//! `sys`.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::process::Pid;
use super::sockets::{Socket, Wakeup};

/// Returns `true`: the path is not that of a socket, but of a pid file or a similar file.
pub(crate) fn is_short_enough(_path: &Path) -> bool {
    true
}

/// Fails, because Mirakuru does not use Unix sockets on Windows.
pub(crate) fn connect_within(_path: &Path, _wait: Duration) -> io::Result<Socket> {
    Err(ErrorKind::Unsupported.into())
}

/// The messages of `sd_notify(3)`, which services do not send on Windows.
#[derive(Debug)]
pub(crate) enum Notices {}

pub(crate) type Notice = (Vec<u8>, Option<(Pid, u32)>);

impl Notices {
    /// Fails, because Windows has no such messages.
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

/// Returns no process: the job of a killed supervisor ends with it and kills all its processes.
pub(crate) fn marked(_mark: &str) -> io::Result<Vec<Pid>> {
    Ok(Vec::new())
}

/// Returns `false`: the system does not show the environment of another process.
pub(crate) fn carries(_pid: Pid, _mark: &str) -> bool {
    false
}

/// Returns `false`: messages do not name their sender.
pub(crate) fn is_below_this(_process: Pid) -> Option<bool> {
    Some(false)
}

/// Returns zero: no caller compares it with another time.
pub(crate) fn wall_clock() -> Duration {
    Duration::ZERO
}

/// Returns `None`: every process has threads of the system.
pub(crate) fn threads() -> Option<usize> {
    None
}

/// Returns `None`: users have no numbers.
pub(crate) fn user_of(_name: &str) -> Option<(u32, u32, Vec<u32>)> {
    None
}

pub(crate) fn lower_oom_score() -> Option<String> {
    None
}

/// Returns zeros, because Windows has no namespaces.
pub(crate) fn namespaces() -> [u64; 2] {
    [0; 2]
}

/// Returns `None`: the test itself prints a line for the runner.
pub(crate) fn standard_error_of(_pid: Pid) -> Option<std::fs::File> {
    None
}

/// Returns `false`: no call reports that a process waits for its input.
pub(crate) fn waits_for_input(_supervisor: Pid) -> bool {
    false
}

/// Returns `false`: shared memory ends with the last process that has it open.
pub(crate) fn remove_shared_memory(_makers: &[(Pid, Duration)], _since: Duration) -> bool {
    false
}
