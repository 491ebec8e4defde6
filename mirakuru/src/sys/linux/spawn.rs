//! Starts the service by `clone(CLONE_VM | CLONE_VFORK)`: no page table is copied, and this process is
//! paused until the new one has run its program or ended. `vfork(2)` gives both too, but no stack.
//!
//! Rules for what runs in the new process, beside those of `posix/before_exec.rs`. It shares all memory of this
//! one:
//! - It runs on a stack of its own, which is far larger than its few calls need, and has no guard.
//! - It writes nothing but its stack, `errno` and the failure that this process reads afterwards.
//! - It handles no signal of ours: a supervisor blocks all (`Wakeups`), and they have no handler when they are
//!   unblocked there.
//! - Its user's change would leave this process's memory undumpable (`PR_SET_DUMPABLE`), which hides this
//!   process from the tests in `/proc`: it is set as it was.
#![expect(unsafe_code, reason = "nix leaves clone unsafe")]

use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl::{get_dumpable, set_dumpable};
use nix::sys::wait::waitpid;

use crate::sys::Pid;
use crate::sys::Stuck;
use crate::sys::posix::before_exec::become_service;
use crate::sys::posix::spawn::Spawn;

/// The pages that nothing touches cost nothing. `execvp` copies the words of a script without `#!` to the stack,
/// so those come on top.
const STACK: usize = 256 * 1024;

/// Starts the process; returns once it runs its program, or has failed.
///
/// # Errors
///
/// The step that failed. The process was reaped.
pub(crate) fn spawn(spawn: &Spawn<'_>) -> Result<Pid, Stuck> {
    let words = (spawn.words.pointers.len() + 1) * size_of::<usize>();
    let mut stack = vec![0_u8; STACK + words];
    let mut failure = None;
    let supervisor = Pid::this();
    let child = Box::new(|| {
        failure = Some(become_service(spawn, supervisor));
        127
    });
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    let dumpable = get_dumpable();
    let born = spawn.with_its_environment(|| {
        // SAFETY: the stack outlives what runs on it, as this call returns after that; what runs there
        // keeps the rules above, and this process has no other thread.
        unsafe { clone(child, &mut stack, flags, Some(libc::SIGCHLD)) }
    });
    if let Ok(true) = dumpable {
        let _ = set_dumpable(true);
    }
    let main = born.map_err(|errno| Stuck::at("fork", errno))?;
    match failure {
        None => Ok(main),
        Some(failure) => {
            // It has ended, and nobody else may take its status for the service's.
            let _ = waitpid(main, None);
            Err(failure)
        }
    }
}
