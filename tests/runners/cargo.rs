//! A cargo that a test runs, of which it reads what is said.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    // What an outer nextest says to its tests is not meant for an inner one.
    let of_the_outer = std::env::vars_os().map(|(name, _)| name);
    for name in of_the_outer.filter(|name| name.as_encoded_bytes().starts_with(b"NEXTEST")) {
        command.env_remove(name);
    }
    command
        // For a run within the run too.
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(package())
        .stdin(Stdio::null());
    command
}

pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where this test was built, so that little is built anew.
pub(crate) fn target_directory() -> PathBuf {
    // The program of a helper lies in TARGET/PROFILE.
    let helper = Path::new(env!("CARGO_BIN_EXE_programs"));
    let target = helper.ancestors().nth(2).expect("an absolute path");
    target.to_owned()
}
