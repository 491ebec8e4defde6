//! Signals, of which the system has none: the numbers and names are those of Linux, and a signal that ends a process
//! terminates it. A process that was terminated so has the negative number as its exit code.

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

/// Those that every Unix has: the attribute takes their names, and the start reports that they cannot be sent.
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

/// Returns the name of a signal, as `SIGINT`.
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

/// Returns what is wrong with a signal that cannot be sent here.
pub(crate) fn check_signal(number: i32) -> Result<(), String> {
    match (number, name_of(number)) {
        (INT | TERM | KILL, _) => Ok(()),
        (_, Some(name)) => Err(format!(
            "Windows cannot send {name}: it has SIGINT, SIGTERM and SIGKILL alone"
        )),
        (_, None) => Err(format!("there is no signal with the number {number}")),
    }
}

/// Returns the exit code of a process that is terminated as if by this signal.
pub(super) fn exit_code_of(signal: i32) -> u32 {
    u32::from_ne_bytes((-signal).to_ne_bytes())
}

/// Returns the status of a process with this exit code.
pub(crate) fn exit_status_of(code: i32) -> ExitStatus {
    ExitStatus::from_raw(u32::from_ne_bytes(code.to_ne_bytes()))
}

/// Returns how a process ended, in words. The code is negative: it stands for a signal, or for an exception.
pub(crate) fn describe_death(code: i32) -> String {
    match name_of(code.saturating_neg()) {
        Some(name) => format!("killed by {name}"),
        None => format!("ended with the status {code:#010X}"),
    }
}
