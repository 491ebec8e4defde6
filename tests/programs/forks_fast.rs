//! A chain of processes: each one forks and exits at once, and its child does the same in a new session.
//! `forks_fast [--bomb COUNT]`.
//!
//! Prints `running` first. `--bomb` starts COUNT of these chains at once. They stop by themselves after a minute.

use std::{
    process,
    time::{Duration, Instant},
};

use nix::unistd::{ForkResult, setsid};

use crate::{Args, Outcome, single_threaded};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    let count: usize = match args.next().as_deref() {
        None => 1,
        Some("--bomb") => args.next().ok_or("COUNT is missing")?.parse()?,
        Some(option) => return Err(format!("unknown option {option}").into()),
    };

    println!("running");
    for _ in 0..count {
        if let ForkResult::Child = single_threaded::fork()? {
            fork_until(deadline);
        }
    }
    Ok(())
}

fn fork_until(deadline: Instant) -> ! {
    while Instant::now() < deadline {
        // The call fails if this process leads a session already.
        let _ = setsid();
        // A limit on processes does not end the chain: the loop tries again.
        if let Ok(ForkResult::Parent { .. }) = single_threaded::fork() {
            break;
        }
    }
    process::exit(0)
}
