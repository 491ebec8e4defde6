//! Prints `ready`, freezes itself with SIGSTOP, and stays after SIGCONT: `stops_itself`.

use std::thread;

use nix::sys::signal::{Signal, raise};

use crate::{Args, Outcome};

pub(crate) fn run(_args: &mut Args) -> Outcome {
    println!("ready");
    raise(Signal::SIGSTOP)?;
    loop {
        thread::park();
    }
}
