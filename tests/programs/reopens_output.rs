//! Opens its own output again by name, as `echo x >/dev/stderr` does, then closes it and stays: `reopens_output`.
//!
//! Writes `through stderr` and `through stdout`, each to a newly opened and truncated file.

use std::{fs::File, io::Write, thread};

use nix::{libc::STDOUT_FILENO, unistd::close};

use crate::{Args, Outcome};

pub(crate) fn run(_args: &mut Args) -> Outcome {
    writeln!(File::create("/dev/stderr")?, "through stderr")?;
    writeln!(File::create("/dev/stdout")?, "through stdout")?;
    close(STDOUT_FILENO)?;
    loop {
        thread::park();
    }
}
