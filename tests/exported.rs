//! Environment variables that shared fixtures set before `main`. This binary has one, and runs itself again.

use std::{
    env, fs,
    process::{Command, Output},
};

use mirakuru::{OutputExecutor, Shared};

/// The variable with the path of a file, to which each start adds a line.
const STARTS: &str = "EXPORTED_STARTS";
/// The variable that makes the service fail.
const FAILS: &str = "EXPORTED_FAILS";

static SERVICE: Shared<OutputExecutor> = Shared::new(|| {
    let noted = env::var(STARTS).unwrap_or_else(|_| "/dev/null".to_owned());
    let rest = if env::var_os(FAILS).is_some() {
        "echo no luck; exit 1"
    } else {
        "echo ready; exec sleep 60"
    };
    let script = format!("echo started >> {noted}; {rest}");
    OutputExecutor::new(["sh", "-c", &script], "ready")
});

mirakuru::export! { EXPORTED = SERVICE, |service| service.output().text() }

/// Runs this binary again. Returns its output, and the number of starts of the service.
fn again(words: &[&str], variable: (&str, &str)) -> (Output, usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let starts = directory.path().join("starts");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command
        .args(words)
        .env(STARTS, &starts)
        .env(variable.0, variable.1);
    let output = command.output().expect("this binary runs");
    let starts = fs::read_to_string(starts).unwrap_or_default();
    (output, starts.lines().count())
}

#[test]
fn a_variable_is_set_before_the_tests_begin() {
    assert_eq!(env::var("EXPORTED").as_deref(), Ok("ready\n"));
    assert!(SERVICE.running());
}

#[test]
fn a_value_that_is_set_is_replaced() {
    let words = ["a_variable_is_set_before_the_tests_begin"];
    let (output, starts) = again(&words, ("EXPORTED", "another"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(starts, 1);
}

#[test]
fn a_list_of_tests_starts_nothing() {
    for words in [
        &["--list"][..],
        &["--list", "--format", "terse"],
        &["--help"],
        &["-h"],
    ] {
        let (output, starts) = again(words, ("EXPORTED", ""));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(starts, 0, "{words:?}");
    }
}

#[test]
fn a_failed_start_prints_the_error_and_ends_the_process() {
    let (output, starts) = again(&["a_variable"], (FAILS, "1"));
    assert_eq!((output.status.code(), starts), (Some(1), 1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("mirakuru: EXPORTED cannot be set: "),
        "{text}"
    );
    assert!(text.contains("| no luck"), "{text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("running"));
}
