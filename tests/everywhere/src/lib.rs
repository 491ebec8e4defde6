//! Provides the code that the suite and its programs share.
//!
//! It uses only the standard library. [`processes`] contains the system calls.
#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

pub mod life;
pub mod processes;

use std::{env, path::PathBuf};

/// Returns the path of a program of this package, which is next to this one or in the parent directory.
///
/// The path is derived from the running program: a path from the build may not exist on the system that runs the test.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = env::current_exe().expect("this program");
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    let directories = own.ancestors().skip(1).take(2);
    let mut found = directories.map(|directory| directory.join(&name));
    found.find(|path| path.exists()).expect("it was built")
}

/// Returns the command of a service that does these steps (see `programs/main.rs`).
#[must_use]
pub fn service(steps: &[&str]) -> Vec<String> {
    let program = program("everywhere-service");
    let program = program.to_str().expect("a plain path").to_owned();
    let steps = steps.iter().map(|step| (*step).to_owned());
    [program].into_iter().chain(steps).collect()
}
