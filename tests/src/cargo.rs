//! A cargo that a test runs, of which it reads what is said.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A command for cargo in the package of these tests, without words.
#[must_use]
pub fn cargo() -> Command {
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

/// A command for a nextest that runs the tests of one binary, by a profile of a file in this package. `program` is any
/// program that was built with the tests.
#[must_use]
pub fn nextest(program: &str, test: &str, (file, profile): (&str, &str)) -> Command {
    let mut command = cargo();
    // The whole workspace, as the gate does: with other features everything would be built anew.
    command.args(["nextest", "run", "--workspace", "--test", test]);
    command.arg("--config-file").arg(package().join(file));
    command.args(["--profile", profile]);
    command.arg("--target-dir").arg(target_directory(program));
    command
}

/// The folder of the package of these tests.
#[must_use]
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The target folder that this program of a test was built in, so that little is built again.
#[must_use]
pub fn target_directory(program: &str) -> &Path {
    // It lies in TARGET/PROFILE, or below a folder for the target of the build, which the inner cargo reads too.
    let is_of_a_target = std::env::var_os("CARGO_BUILD_TARGET").is_some();
    let target = Path::new(program)
        .ancestors()
        .nth(2 + usize::from(is_of_a_target));
    target.expect("an absolute path")
}
