//! Names, resets and sends signals.
#![expect(unsafe_code, reason = "system calls that nix leaves unsafe")]

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

use crate::sys::{self, Pid};

pub(crate) const CONT: i32 = libc::SIGCONT;
pub(crate) const HUP: i32 = libc::SIGHUP;
pub(crate) const INT: i32 = libc::SIGINT;
pub(crate) const KILL: i32 = libc::SIGKILL;
pub(crate) const QUIT: i32 = libc::SIGQUIT;
pub(crate) const STOP: i32 = libc::SIGSTOP;
pub(crate) const TERM: i32 = libc::SIGTERM;
pub(crate) const USR1: i32 = libc::SIGUSR1;
pub(crate) const USR2: i32 = libc::SIGUSR2;

/// Returns the name of a signal, such as `SIGINT`. Realtime signals have no name.
pub(crate) fn name_of(number: i32) -> Option<&'static str> {
    Signal::try_from(number).ok().map(Signal::as_str)
}

/// Returns the number of the signal with this name.
#[cfg(feature = "macros")]
pub(crate) fn named(name: &str) -> Option<i32> {
    name.parse().ok().map(|known: Signal| known as i32)
}

/// Returns an error text if the system does not know a signal with this number.
pub(crate) fn check_signal(number: i32) -> Result<(), String> {
    if (1..=sys::last_signal()).contains(&number) {
        Ok(())
    } else {
        Err(format!("no signal has the number {number}"))
    }
}

/// Describes the death of a process that a signal ended. The code is the negative number of the signal.
pub(crate) fn describe_death(code: i32) -> String {
    let number = code.unsigned_abs();
    match name_of(code.saturating_neg()) {
        Some(name) => format!("killed by {name} (signal {number})"),
        None => format!("killed by signal {number}"),
    }
}

/// Returns the status of a process with this exit code: the wait status of `wait(2)`. A negative code is the negative
/// number of the signal that ended the process.
pub(crate) fn exit_status_of(code: i32) -> ExitStatus {
    ExitStatus::from_raw(match code {
        ..0 => code.saturating_neg(),
        _ => code << 8,
    })
}

/// Gives every signal its default disposition, except `SIGPIPE`, which stays ignored, and unblocks all signals. Every
/// service would inherit an ignored `SIGCHLD`, and lose the exit codes of its children.
pub(crate) fn reset_signals() {
    for known in Signal::iterator() {
        let handler = if known == Signal::SIGPIPE {
            SigHandler::SigIgn
        } else {
            SigHandler::SigDfl
        };
        // SAFETY: neither disposition runs code of ours.
        let _ = unsafe { signal(known, handler) };
    }
    reset_realtime_signals();
    unblock_signals();
}

/// Gives `SIGPIPE` its default disposition.
pub(super) fn restore_sigpipe() {
    // SAFETY: the default disposition runs no code of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}

/// Unblocks every signal; a mask outlives `exec`.
pub(super) fn unblock_signals() {
    let _ = SigSet::empty().thread_set_mask();
}

#[cfg(target_os = "linux")]
fn reset_realtime_signals() {
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // The C library reserves the signals before `SIGRTMIN`, and `posix_spawn` leaves them ignored. An all-zero
    // `kernel_sigaction`, which is not longer than this array, is the default disposition.
    let (default, mask_len) = ([0_usize; 8], 8_usize);
    for number in 32..libc::SIGRTMIN() {
        let none = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel reads the struct, which outlives the call, and writes nothing.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                none,
                mask_len,
            )
        };
    }
}

#[cfg(not(target_os = "linux"))]
fn reset_realtime_signals() {}

/// Sends a signal by number to a process that the caller knows to be unreaped.
pub(in crate::sys) fn send_signal(pid: Pid, signal: i32) -> nix::Result<()> {
    // SAFETY: `kill` takes any numbers.
    let result = unsafe { libc::kill(pid.as_raw(), signal) };
    nix::errno::Errno::result(result).map(drop)
}

/// Sends a signal by number to a process group that the caller knows to have a member.
pub(in crate::sys) fn send_signal_to_group(group: Pid, signal: i32) -> nix::Result<()> {
    // 0 and 1 would mean our own group and every process on the system.
    if group.as_raw() <= 1 {
        return Err(nix::Error::ESRCH);
    }
    send_signal(Pid::from_raw(-group.as_raw()), signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_exit_code_or_the_signal() {
        let facts = |code| {
            let status = exit_status_of(code);
            (status.code(), status.signal())
        };
        assert_eq!(facts(0), (Some(0), None));
        assert_eq!(facts(3), (Some(3), None));
        assert_eq!(facts(-9), (None, Some(9)));
    }
}
