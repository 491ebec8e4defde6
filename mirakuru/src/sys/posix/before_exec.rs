//! Becomes the service: the steps of a new process between its birth and `exec`.
//!
//! Rules for [`become_service`] and everything that it calls. It runs in a process that may share the supervisor's
//! memory, while the supervisor is paused in the middle of a call:
//! - It makes system calls only, and only those that a signal handler may make. It allocates nothing, frees nothing,
//!   takes no lock, prints nothing and cannot panic: [`Spawn`] has everything prepared.
//! - It ends in `exec`, or returns the failure to the caller, which ends the process.
//! - It keeps its order, as each step needs rights or state that a later step takes away.
#![expect(unsafe_code, reason = "nix allocates for exec")]

use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, setgid, setsid, setuid};

use super::spawn::Spawn;
use super::{process, signals};
use crate::sys::{self, Pid, Stuck};
use crate::wait::{self, Deadline};

/// Becomes the service; returns only if a step failed. Checks the parent, as it may have died.
pub(in crate::sys) fn become_service(spawn: &Spawn<'_>, supervisor: Pid) -> Stuck {
    match set_up(spawn, supervisor) {
        Ok(()) => Stuck::at(RUN, run(spawn)),
        Err(stuck) => stuck,
    }
}

fn set_up(spawn: &Spawn<'_>, supervisor: Pid) -> Result<(), Stuck> {
    // Binds the life of this process to the supervisor's early, so that no later step can hang beyond it. This is
    // repeated below.
    let _ = sys::die_with_parent();
    // Starts a session of its own: a terminal's Ctrl-C does not reach it, and it leads its own group.
    step("start a session", setsid())?;
    if let Some(score) = spawn.oom_score {
        sys::restore_oom_score(score);
    }
    // Limits and niceness first: raising them needs the rights that the user may lack.
    for (resource, soft, hard) in spawn.limits {
        let limited = process::limit(*resource, *soft, *hard);
        step("set a resource limit", limited)?;
    }
    if let Some(nice) = spawn.nice {
        step("set its niceness", process::set_nice(nice))?;
    }
    if let Some(mask) = spawn.umask {
        #[allow(
            clippy::useless_conversion,
            reason = "the type differs between systems"
        )]
        let bits = libc::mode_t::try_from(mask).unwrap_or(libc::mode_t::MAX);
        umask(Mode::from_bits_truncate(bits));
    }
    if let Some(here) = &spawn.inherited {
        step("enter the test's directory", chdir(here.as_c_str()))?;
    }
    if let Some((user, group, groups)) = &spawn.user {
        // The groups are set before the user: afterwards the process has no right to change them.
        step("switch to the user's groups", sys::set_groups(groups))?;
        step("switch to the user's group", setgid(*group))?;
        step("switch to the user", setuid(*user))?;
    }
    // Uses the user's rights: the service is not started in a directory that it may not enter.
    if let Some(directory) = &spawn.directory {
        step("enter the working directory", chdir(directory.as_c_str()))?;
    }
    // Set after the user, as a change of user clears it. Then the parent is checked again, as it may have died before
    // this call.
    step(
        "arrange that it ends with its supervisor",
        sys::die_with_parent(),
    )?;
    if sys::parent() != supervisor {
        sys::exit_now(127);
    }
    let [input, output, error] = &spawn.streams;
    step(RUN, dup2_stdin(input))?;
    step(RUN, dup2_stdout(output))?;
    step(RUN, dup2_stderr(error))
}

fn step<T>(step: &'static str, result: nix::Result<T>) -> Result<(), Stuck> {
    result.map(drop).map_err(|errno| Stuck::at(step, errno))
}

const RUN: &str = "run the program";

/// Runs the program; returns only if that failed.
fn run(spawn: &Spawn<'_>) -> Errno {
    // The supervisor ignores SIGPIPE. It also blocks its signals, and reads them from a descriptor. Both would outlive
    // `exec`.
    signals::restore_sigpipe();
    signals::unblock_signals();
    let busy = Deadline::after(spawn.busy);
    loop {
        let words = &spawn.words.pointers;
        // SAFETY: each pointer is that of a text that outlives the call, and the list ends with a null pointer.
        // `Spawn` has at least one word.
        unsafe { libc::execvp(words[0], words.as_ptr()) };
        let errno = Errno::last();
        // A test that has just written the program may have forked on another thread meanwhile. Until that fork has
        // become its own program, it has a copy of the descriptor that was open for writing.
        if errno != Errno::ETXTBSY || busy.has_passed() {
            return errno;
        }
        wait::pause(Duration::from_millis(1));
    }
}
