//! Starts a chain of processes, each the child of the previous one: `chain DEPTH`.
//!
//! The last process prints `chained`. All of them stay.

use std::thread;

use crate::{Args, Outcome, again};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let depth: usize = args.next().ok_or("DEPTH is missing")?.parse()?;
    if depth > 1 {
        // Each process execs the program again, because forks of forks get slower with every generation: the kernel
        // keeps the ancestry of their pages (17 s for a thousand; this takes 2 s).
        again("chain")?.arg((depth - 1).to_string()).spawn()?;
    } else {
        println!("chained");
    }
    loop {
        thread::park();
    }
}
