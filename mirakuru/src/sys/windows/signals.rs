//! Defines signals for Windows, which has none.
//!
//! The numbers and names are those of Linux. A signal that ends a process terminates it, and the exit code is the
//! negative number of the signal.

use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;

pub(crate) const HUP: i32 = 1;
pub(crate) const INT: i32 = 2;
pub(crate) const QUIT: i32 = 3;
pub(crate) const KILL: i32 = 9;
pub(crate) const USR1: i32 = 10;
pub(crate) const USR2: i32 = 12;
pub(crate) const TERM: i32 = 15;
pub(crate) const CONT: i32 = 18;
pub(crate) const STOP: i32 = 19;

/// The signals that every Unix has. The attribute accepts their names, and a start reports those that cannot be sent.
const NAMES: [(i32, &str); 29] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGIO"),
    (31, "SIGSYS"),
];

/// Returns the name of a signal, such as `SIGINT`.
pub(crate) fn name_of(number: i32) -> Option<&'static str> {
    let mut names = NAMES.into_iter();
    names.find_map(|(known, name)| (known == number).then_some(name))
}

/// Returns the number of the signal with this name.
#[cfg(feature = "macros")]
pub(crate) fn named(name: &str) -> Option<i32> {
    let mut names = NAMES.into_iter();
    names.find_map(|(number, known)| (known == name).then_some(number))
}

/// Checks that a signal can be sent on Windows.
///
/// # Errors
///
/// A message that names the signals that can be sent, or an unknown number.
pub(crate) fn check_signal(number: i32) -> Result<(), String> {
    match (number, name_of(number)) {
        (INT | TERM | KILL, _) => Ok(()),
        (_, Some(name)) => Err(format!(
            "Windows cannot send {name}, only SIGINT, SIGTERM and SIGKILL"
        )),
        (_, None) => Err(format!("no signal has the number {number}")),
    }
}

/// Returns the exit code of a process that this signal terminated.
pub(super) fn exit_code_of(signal: i32) -> u32 {
    u32::from_ne_bytes((-signal).to_ne_bytes())
}

/// Returns the status of a process with this exit code.
pub(crate) fn exit_status_of(code: i32) -> ExitStatus {
    ExitStatus::from_raw(u32::from_ne_bytes(code.to_ne_bytes()))
}

/// Describes in words how a process ended. The code is negative: it means a signal or an exception.
pub(crate) fn describe_death(code: i32) -> String {
    match name_of(code.saturating_neg()) {
        Some(name) => format!("killed by {name}"),
        None => format!("ended with the status {code:#010X}"),
    }
}
