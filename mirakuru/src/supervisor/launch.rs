//! From the supervisor to the service: fork, become it, exec.
//!
//! The supervisor has one thread, so the child may run any code. Rules for
//! [`become_service`] all the same: it ends in `exec` or in a failure, returns to no caller of the
//! supervisor's loop, and keeps its order, as each step needs what a later one takes away.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Pid, Uid, chdir, getppid, setgid, setsid, setuid};

use super::drain::Drain;
use crate::protocol::{Directory, Failure, Launch, Lead};
use crate::sys;
use crate::wait::{self, Deadline};

/// A service that was started.
pub(super) struct Launched {
    pub(super) main: Pid,
    /// Standard output and standard error, where they are captured.
    pub(super) drains: [Option<Drain>; 2],
}

/// Starts the service. `fds` are the descriptors that came with the order, `oom_score` is what a
/// service should have where the supervisor has another.
pub(super) fn launch(
    order: &Launch,
    fds: Vec<OwnedFd>,
    oom_score: Option<&str>,
) -> Result<Launched, Failure> {
    let mut fds = fds.into_iter();
    let mut given = || {
        fds.next()
            .ok_or_else(|| Failure::at("receive its streams", &io::ErrorKind::InvalidData.into()))
    };
    let mut drains = [None, None];
    let mut streams = Vec::with_capacity(3);
    for (index, lead) in order.streams.into_iter().enumerate() {
        streams.push(match lead {
            // Opened here: the child may be at its limit of open files.
            Lead::Null => Stdio::from(
                File::options()
                    .read(index == 0)
                    .write(index > 0)
                    .open("/dev/null")
                    .map_err(|error| Failure::at("open /dev/null", &error))?,
            ),
            Lead::Given => Stdio::from(given()?),
            Lead::Captured => {
                let (reader, writer) =
                    pipe().map_err(|error| Failure::at("make a pipe for its output", &error))?;
                drains[index - 1] = Some(Drain::new(reader, given()?));
                Stdio::from(OwnedFd::from(writer))
            }
        });
    }

    let (mut report, reporter) = io::pipe().map_err(|error| Failure::at("make a pipe", &error))?;
    let supervisor = Pid::this();
    let child = sys::fork_single_threaded().map_err(|error| Failure::at("fork", &error))?;
    let Some(main) = child else {
        child_main(order, streams, oom_score, supervisor, reporter);
    };
    // The child's copies are the only ones left, so its exec or its end is the end of the file.
    drop((reporter, streams));
    let mut told = Vec::new();
    let _ = report.read_to_end(&mut told);
    match read_failure(&told) {
        Some(failure) => {
            // It is about to end, and nobody else may take its status for the service's.
            let _ = waitpid(main, None);
            Err(failure)
        }
        None => Ok(Launched { main, drains }),
    }
}

/// A pipe whose reading end never waits, and which the service may open again by name
/// (`/dev/stderr`), whatever user it runs as.
fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let _ = fchmod(writer.as_fd(), Mode::from_bits_truncate(0o666));
    Ok((reader, writer))
}

/// The child: becomes the service, or tells why not. A panic must not unwind into the
/// supervisor's loop, of which this process has a copy.
fn child_main(
    order: &Launch,
    streams: Vec<Stdio>,
    oom_score: Option<&str>,
    supervisor: Pid,
    mut reporter: PipeWriter,
) -> ! {
    let become_it = || become_service(order, streams, oom_score, supervisor);
    if let Ok(failure) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(become_it)) {
        let _ = reporter.write_all(&failure.errno.to_le_bytes());
        let _ = reporter.write_all(failure.step.as_bytes());
    }
    sys::exit_now(127);
}

fn become_service(
    order: &Launch,
    streams: Vec<Stdio>,
    oom_score: Option<&str>,
    supervisor: Pid,
) -> Failure {
    if let Err(failure) = set_up(order, oom_score, supervisor) {
        return failure;
    }
    let mut command = Command::new(&order.words[0]);
    command
        .args(&order.words[1..])
        .env_clear()
        .envs(order.env.iter().cloned());
    let mut streams = streams.into_iter();
    let mut next = || streams.next().unwrap_or_else(Stdio::null);
    command.stdin(next()).stdout(next()).stderr(next());
    let busy = Deadline::after(order.busy);
    loop {
        // std gives SIGPIPE its default again, and looks the program up in the service's own PATH.
        let error = command.exec();
        // A test that has just written the program may have forked on another thread meanwhile: until
        // that fork has become its own program it has a copy of the descriptor that was written to.
        if error.kind() != io::ErrorKind::ExecutableFileBusy || busy.has_passed() {
            return Failure::at("run the program", &error);
        }
        wait::pause(Duration::from_millis(1));
    }
}

fn set_up(order: &Launch, oom_score: Option<&str>, supervisor: Pid) -> Result<(), Failure> {
    // So that nothing of what follows can hang beyond the supervisor's life; once more below.
    let _ = sys::die_with_parent();
    // The supervisor reads its signals from a descriptor, so they are blocked.
    sys::unblock_signals();
    // A session of its own: a terminal's Ctrl-C does not reach it, and its group is its own.
    step("start a session", setsid())?;
    if let Some(score) = oom_score {
        sys::restore_oom_score(score);
    }
    // Limits and niceness first: raising them needs the rights that the user may lack.
    for (resource, soft, hard) in &order.rlimits {
        step("set a resource limit", sys::limit(*resource, *soft, *hard))?;
    }
    if let Some(nice) = order.nice {
        step("set its niceness", sys::set_nice(nice))?;
    }
    if let Some(mask) = order.umask {
        #[allow(
            clippy::useless_conversion,
            reason = "the type differs between systems"
        )]
        let bits = nix::libc::mode_t::try_from(mask).unwrap_or(nix::libc::mode_t::MAX);
        umask(Mode::from_bits_truncate(bits));
    }
    if let Directory::Inherited(here) = &order.cwd {
        step("enter the test's directory", chdir(here))?;
    }
    if let Some(identity) = &order.identity {
        // The groups before the user: afterwards there is no right to change them.
        step(
            "take on the user's groups",
            sys::set_groups(&identity.groups),
        )?;
        step(
            "take on the user's group",
            setgid(Gid::from_raw(identity.gid)),
        )?;
        step("take on the user", setuid(Uid::from_raw(identity.uid)))?;
    }
    // With the user's rights: where the service may not be, it is not started.
    if let Directory::Given(cwd) = &order.cwd {
        step("enter the working directory", chdir(cwd))?;
    }
    // After the user, as a change of user clears it; then the parent is looked at once more, as it
    // may have died before the kernel was told.
    step("bind its life to the supervisor's", sys::die_with_parent())?;
    if getppid() != supervisor {
        sys::exit_now(127);
    }
    Ok(())
}

fn step<T, E: Into<io::Error>>(step: &str, result: Result<T, E>) -> Result<(), Failure> {
    result
        .map(drop)
        .map_err(|error| Failure::at(step, &error.into()))
}

fn read_failure(told: &[u8]) -> Option<Failure> {
    let (errno, step) = told.split_first_chunk()?;
    Some(Failure {
        step: String::from_utf8_lossy(step).into_owned(),
        errno: i32::from_le_bytes(*errno),
    })
}
