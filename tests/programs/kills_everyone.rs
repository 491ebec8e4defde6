//! Kills every process that its user may kill (`kill -9 -1`), and stays: `kills_everyone`.
//!
//! It refuses (exit code 2) if it runs as root, or if its parent belongs to the same user. That user probably runs the
//! tests, and would lose the desktop session. It is meant for a service that runs as another user.

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
        eprintln!("refused: this would kill the process that started it");
        process::exit(2);
    }
    println!("killing");
    kill(Pid::from_raw(-1), Signal::SIGKILL)?;
    println!("killed");
    loop {
        thread::park();
    }
}
