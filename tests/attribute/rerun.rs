//! Tests that must fail. In a normal run, such a test passes. It fails only if another test runs it again alone, in a
//! process of its own, to check the output of the harness.

use std::{
    env,
    process::{Command, Stdio},
};

const MARK: &str = "MIRAKURU_TESTS_AGAIN";

/// Returns whether another test runs this one again.
pub(crate) fn is_again() -> bool {
    env::var_os(MARK).is_some()
}

/// The result of a test that was run again.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) passed: bool,
    /// The output of the harness.
    pub(crate) text: String,
}

/// Runs a test of this binary again, and returns its result.
#[track_caller]
pub(crate) fn again(name: &str, options: &[&str]) -> Report {
    let output = command(name, options).output().expect("this binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let text = text(&output.stdout) + &text(&output.stderr);
    assert!(text.contains("running 1 test"), "it did not run:\n{text}");
    Report {
        passed: output.status.success(),
        text,
    }
}

/// Returns the command that runs a test of this binary again.
pub(crate) fn command(name: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    // A harness with cases adds the name of the case.
    let exact = (!name.ends_with("::")).then_some("--exact");
    command
        .args(exact)
        .args([name, "--test-threads=1"])
        .args(options)
        .env(MARK, "1")
        // The log and backtraces would be in the output that the test reads.
        .env_remove("MIRAKURU_LOG")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}
