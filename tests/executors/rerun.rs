//! Helpers for a test that needs its own process: the test runs itself again, alone.

use std::{
    env,
    io::Write,
    process::{Command, Output, Stdio},
};

const MARK: &str = "MIRAKURU_TESTS_ALONE";

/// Returns whether this process runs this one test alone.
pub(crate) fn is_alone() -> bool {
    env::var_os(MARK).is_some()
}

/// Runs this test binary again for this test (the one that calls), with this standard input, and expects it to pass.
/// `shape` may change the environment.
#[track_caller]
pub(crate) fn alone(test: &str, input: &str, shape: impl FnOnce(&mut Command)) -> Output {
    let mut command = command_for(test);
    shape(&mut command);
    run(command, input)
}

/// Runs the test alone with these words before the command: a program that changes the process and runs the command.
#[track_caller]
pub(crate) fn alone_by(words: &[&str], test: &str) -> Output {
    let plain = command_for(test);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(plain.get_program());
    command.args(plain.get_args()).env(MARK, "1");
    run(command, "")
}

/// Returns the command that runs this test in its own process.
pub(crate) fn command_for(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, "1");
    command
}

#[track_caller]
fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(input.as_bytes())
        .expect("a short text fits");
    drop(stdin);
    let output = child.wait_with_output().expect("a child");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{}\n{stdout}\n{stderr}",
        output.status
    );
    assert!(
        stdout.contains("1 passed"),
        "the test did not run:\n{stdout}"
    );
    output
}
