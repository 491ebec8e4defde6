//! A test that is to fail: it passes as one of all, and does what it is about where it is run again
//! alone, by the test that looks at what its harness says.

use std::{
    env,
    process::{Command, Stdio},
};

const MARK: &str = "MIRAKURU_TESTS_AGAIN";

/// Whether this is the run that somebody looks at.
pub(crate) fn is_again() -> bool {
    env::var_os(MARK).is_some()
}

/// What came of a test that was run again.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) passed: bool,
    /// What the harness printed.
    pub(crate) text: String,
}

/// Runs this test of this binary again; how it went, and what was printed.
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

pub(crate) fn command(name: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    // A harness with cases has names of its own for them.
    let exact = (!name.ends_with("::")).then_some("--exact");
    command
        .args(exact)
        .args([name, "--test-threads=1"])
        .args(options)
        .env(MARK, "1")
        // What it says is read.
        .env_remove("MIRAKURU_LOG")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}
