//! Runs a unit test again in a process of its own, for a test that changes its process or asks for all its children.

use std::process::Command;

const MARK: &str = "MIRAKURU_TESTS_ALONE";

/// Returns whether this process runs one test alone.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs a test of this binary alone, and expects it to pass. `words` begin the command: a program that changes the
/// process and runs the command. `shape` may change the environment.
#[track_caller]
pub(crate) fn alone(test: &str, words: &[&str], shape: impl FnOnce(&mut Command)) {
    let program = std::env::current_exe().expect("it has a path");
    let mut all = words.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(all.next().expect("at least the binary"));
    command.args(all).args(["--exact", test]).env(MARK, "1");
    shape(&mut command);
    let output = command.output().expect("the first word is a program");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
}
