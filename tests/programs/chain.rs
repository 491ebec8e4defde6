//! Makes a chain of processes, each the child of the one before: `chain DEPTH FILE`.
//!
//! The last prints `chained`, all stay. They share one lock on `FILE`: who gets the exclusive lock
//! knows that all are gone.

use std::{
    fs::OpenOptions,
    io,
    mem::ManuallyDrop,
    os::fd::{AsFd, OwnedFd},
    thread,
};

use nix::fcntl::{Flock, FlockArg};

use crate::{Args, Outcome, again};

const NEXT: &str = "--next";

pub(crate) fn run(args: &mut Args) -> Outcome {
    let depth: usize = args.next().ok_or("DEPTH is missing")?.parse()?;
    let path = args.next().ok_or("FILE is missing")?;

    // The lock belongs to the open file, which the whole chain shares: it is free when the last has
    // closed it, and would be at once if one dropped it. It comes to the next as its standard input.
    let held: OwnedFd = if path == NEXT {
        io::stdin().as_fd().try_clone_to_owned()?
    } else {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let held = Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno)?;
        ManuallyDrop::new(held).try_clone()?.into()
    };
    if depth > 1 {
        // A program run anew for each, as forks of forks get slower with every generation: the kernel
        // keeps the ancestry of their pages (17 s for a thousand; this takes 2 s).
        again("chain")?
            .args([&(depth - 1).to_string(), NEXT])
            .stdin(held)
            .spawn()?;
    } else {
        println!("chained");
    }
    loop {
        thread::park();
    }
}
