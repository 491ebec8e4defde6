//! Cargo commands that tests run, in a form whose output the test can read.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Returns a command for cargo in the package of these tests, without arguments.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    // The variables that an outer nextest sets for its tests must not reach an inner one.
    let of_the_outer = std::env::vars_os().map(|(name, _)| name);
    for name in of_the_outer.filter(|name| name.as_encoded_bytes().starts_with(b"NEXTEST")) {
        command.env_remove(name);
    }
    command
        // The variable also reaches a run within the run.
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(package())
        .stdin(Stdio::null());
    command
}

/// Returns a command for a nextest that runs the tests of one binary, with a profile from a file in this package.
/// `program` is any program that was built with the tests.
#[must_use]
pub fn nextest(program: &str, test: &str, (file, profile): (&str, &str)) -> Command {
    let mut command = cargo();
    // The whole workspace, as the gate does: with other features cargo would build everything again.
    command.args(["nextest", "run", "--workspace", "--test", test]);
    command.arg("--config-file").arg(package().join(file));
    command.args(["--profile", profile]);
    command.arg("--target-dir").arg(target_directory(program));
    command
}

/// Returns the directory of the package of these tests.
#[must_use]
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the target directory in which this program was built, so that an inner cargo builds little again.
#[must_use]
pub fn target_directory(program: &str) -> &Path {
    // The program is in TARGET/PROFILE, or in TARGET/TRIPLE/PROFILE if a variable names a build target. The inner cargo
    // reads that variable too.
    let is_of_a_target = std::env::var_os("CARGO_BUILD_TARGET").is_some();
    let target = Path::new(program)
        .ancestors()
        .nth(2 + usize::from(is_of_a_target));
    target.expect("an absolute path")
}
