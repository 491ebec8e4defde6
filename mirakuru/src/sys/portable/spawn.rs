//! Starts the service by a fork.
#![expect(unsafe_code, reason = "nix leaves fork unsafe")]

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;

use crate::sys::Stuck;
use crate::sys::posix::before_exec::become_service;
use crate::sys::posix::spawn::Spawn;
use crate::sys::{self, Pid};

/// Starts the process. Returns after it runs its program, or has failed.
///
/// # Errors
///
/// Returns the step that failed. The process was reaped then.
pub(crate) fn spawn(spawn: &Spawn<'_>) -> Result<Pid, Stuck> {
    let (report, reporter) = sys::pipe().map_err(|errno| Stuck::at("make a pipe", errno))?;
    let (mut report, mut reporter) = (File::from(report), File::from(reporter));
    let supervisor = Pid::this();
    let forked = spawn.with_its_environment(|| {
        let child = fork_single_threaded()?;
        child.ok_or_else(|| {
            let stuck = become_service(spawn, supervisor);
            let _ = reporter.write_all(&stuck.code.to_le_bytes());
            let _ = reporter.write_all(stuck.step.as_bytes());
            sys::exit_now(127);
        })
    });
    let main = forked.map_err(|errno| Stuck::at("fork", errno))?;
    // Now only the child has a copy. Its `exec` or its end therefore ends the file.
    drop(reporter);
    let mut message = Vec::new();
    let _ = report.read_to_end(&mut message);
    let Some((code, step)) = message.split_first_chunk() else {
        return Ok(main);
    };
    // The child is about to end, and its status must not be mistaken for the service's.
    let _ = waitpid(main, None);
    Err(Stuck {
        step: Cow::Owned(String::from_utf8_lossy(step).into_owned()),
        code: i32::from_le_bytes(*code),
    })
}

/// Forks a process that has one thread. Returns `None` in the child.
fn fork_single_threaded() -> nix::Result<Option<Pid>> {
    // SAFETY: the caller is a supervisor, which never starts a thread, so no lock can be held by
    // a thread that the child lacks.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}
