//! Functions that only a program with one thread may call.

use nix::unistd::{self, ForkResult};

/// Forks a program that has never started a thread.
#[expect(unsafe_code, reason = "forking is the behaviour")]
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: the program has one thread, so the child finds every lock free.
    unsafe { unistd::fork() }
}
