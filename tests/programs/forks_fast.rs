//! Runs away: each process forks and ends at once, its child in a new session: `forks_fast [--bomb COMETS] FILE`.
//!
//! Prints `running` first. `--bomb` sends out many such comets at once. They share one lock on FILE:
//! who gets the exclusive lock knows that all are gone. They stop by themselves after a minute.

use std::{
    fs::OpenOptions,
    mem::ManuallyDrop,
    process,
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    unistd::{ForkResult, setsid},
};

use crate::{Args, Outcome, single_threaded};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut path = args.next().ok_or("FILE is missing")?;
    let mut comets: usize = 1;
    if path == "--bomb" {
        comets = args.next().ok_or("COMETS is missing")?.parse()?;
        path = args.next().ok_or("FILE is missing")?;
    }

    let file = OpenOptions::new().append(true).create(true).open(path)?;
    // Dropping it would free it for the comets too, as they share the open file.
    let _held =
        ManuallyDrop::new(Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno)?);
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
