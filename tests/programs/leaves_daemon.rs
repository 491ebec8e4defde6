//! Starts a daemon: `leaves_daemon [--main-stays] [--ignore-term] [--scrub]`.
//!
//! The daemon is a grandchild whose parent is gone, in a session of its own. It keeps the inherited output. With
//! `--scrub` it has an empty environment (it execs the program again), and with `--ignore-term` it ignores SIGTERM.
//! When the daemon is ready, the main process prints `daemon PID` and exits with 0, or stays with `--main-stays`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    process, thread,
};

use nix::{
    sys::{
        signal::{SigHandler, Signal, signal},
        wait::waitpid,
    },
    unistd::{ForkResult, dup2_stdin, setsid, write},
};

use crate::{Args, Outcome, again, single_threaded};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let args: Vec<String> = args.collect();
    let has = |option: &str| args.iter().any(|arg| arg == option);
    if has("--daemon") {
        return daemon(&args);
    }

    let (from_daemon, to_main) = io::pipe()?;
    if let ForkResult::Parent { child } = single_threaded::fork()? {
        drop(to_main);
        waitpid(child, None)?;
        let mut pid = String::new();
        BufReader::new(from_daemon).read_line(&mut pid)?;
        if pid.is_empty() {
            return Err("the daemon did not come up".into());
        }
        println!("daemon {}", pid.trim_end());
        while has("--main-stays") {
            thread::park();
        }
        return Ok(());
    }

    setsid()?;
    // The standard input carries the pipe across the exec.
    dup2_stdin(&to_main)?;
    drop((from_daemon, to_main));
    if single_threaded::fork()?.is_parent() {
        process::exit(0);
    }
    if has("--scrub") {
        let mut daemon = again("leaves_daemon")?;
        return Err(daemon.env_clear().arg("--daemon").args(&args).exec().into());
    }
    daemon(&args)
}

/// Runs the daemon, which only a signal ends.
fn daemon(args: &[String]) -> Outcome {
    if args.iter().any(|arg| arg == "--ignore-term") {
        ignore_term()?;
    }
    let pid = format!("{}\n", process::id());
    write(io::stdin(), pid.as_bytes())?;
    dup2_stdin(File::open("/dev/null")?)?;
    loop {
        thread::park();
    }
}

#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn ignore_term() -> nix::Result<()> {
    // SAFETY: ignoring a signal installs no handler, so no code of this program runs in one.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }?;
    Ok(())
}
