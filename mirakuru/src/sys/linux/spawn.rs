//! Starts the service by `clone(CLONE_VM | CLONE_VFORK)`. No page table is copied, and this process is paused until the
//! new one has run its program or ended. `vfork(2)` does both too, but gives the new process no stack.
//!
//! The new process shares all memory of this one. Its code follows these rules, in addition to those of
//! `posix/before_exec.rs`:
//! - It runs on its own stack, which is far larger than its few calls need, and has no guard page.
//! - It writes only to its stack, to `errno` and to the failure that this process reads afterwards.
//! - It handles no signal of ours: a supervisor blocks all signals (`Wakeups`), and they have no handler when the new
//!   process unblocks them.
//! - Its change of the user would leave this process's memory undumpable (`PR_SET_DUMPABLE`), which hides this process
//!   from the tests in `/proc`. This process therefore restores the setting.
#![expect(unsafe_code, reason = "nix leaves clone unsafe")]

use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl::{get_dumpable, set_dumpable};
use nix::sys::wait::waitpid;

use crate::sys::Pid;
use crate::sys::Stuck;
use crate::sys::posix::before_exec::become_service;
use crate::sys::posix::spawn::Spawn;

/// The size of the stack. Pages that are never touched cost nothing. `execvp` copies the words of a script without `#!`
/// to the stack, so the size of their pointers is added.
const STACK: usize = 256 * 1024;

/// Starts the process. Returns after it runs its program, or has failed.
///
/// # Errors
///
/// Returns the step that failed. The process was reaped then.
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
            // The child has ended, and its status must not be mistaken for the service's.
            let _ = waitpid(main, None);
            Err(failure)
        }
    }
}
