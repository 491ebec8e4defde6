//! Kills every process that its user may kill (`kill -9 -1`), and stays: `kills_everyone`.
//!
//! It refuses (exit code 2) as root, and where its parent is the same user's: that user would be the
//! one who runs the tests, with a desktop to lose. It is meant for a service that was given another user.

use std::{
    fs,
    os::unix::{self, fs::MetadataExt},
    process, thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getuid},
};

use crate::{Args, Outcome};

pub(crate) fn run(_args: &mut Args) -> Outcome {
    let parent = fs::metadata(format!("/proc/{}", unix::process::parent_id()))?;
    if getuid().is_root() || parent.uid() == getuid().as_raw() {
        eprintln!("refused: this would kill who started it");
        process::exit(2);
    }
    println!("killing");
    kill(Pid::from_raw(-1), Signal::SIGKILL)?;
    println!("killed");
    loop {
        thread::park();
    }
}
