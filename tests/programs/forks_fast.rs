//! Runs away: each process forks and ends at once, its child in a new session: `forks_fast [--bomb COMETS]`.
//!
//! Prints `running` first. `--bomb` sends out many such comets at once. They stop by themselves after a
//! minute.

use std::{
    process,
    time::{Duration, Instant},
};

use nix::unistd::{ForkResult, setsid};

use crate::{Args, Outcome, single_threaded};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    let comets: usize = match args.next().as_deref() {
        None => 1,
        Some("--bomb") => args.next().ok_or("COMETS is missing")?.parse()?,
        Some(option) => return Err(format!("unknown option {option}").into()),
    };

    println!("running");
    for _ in 0..comets {
        if let ForkResult::Child = single_threaded::fork()? {
            fly(deadline);
        }
    }
    Ok(())
}

fn fly(deadline: Instant) -> ! {
    while Instant::now() < deadline {
        // A new session, where this process does not lead one already.
        let _ = setsid();
        // A limit on processes does not end the comet: it tries again.
        if let Ok(ForkResult::Parent { .. }) = single_threaded::fork() {
            break;
        }
    }
    process::exit(0)
}
