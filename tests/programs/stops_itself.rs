//! Prints `ready` and freezes itself with SIGSTOP; thawed, it stays: `stops_itself`.

use std::{error::Error, thread};

use nix::sys::signal::{Signal, raise};

fn main() -> Result<(), Box<dyn Error>> {
    println!("ready");
    raise(Signal::SIGSTOP)?;
    loop {
        thread::park();
    }
}
