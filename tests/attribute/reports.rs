//! The output of a failing test shows the last output of each process once. A passing test prints nothing. A test with
//! `#[should_panic]` does not pass if a process cannot start.
//!
//! The tests of `cases` pass in a normal run. Each one fails only if a test below runs it again.

use std::{fs, path::Path, process::Stdio};

use regex::Regex;

use crate::rerun::{Report, again, command};

#[expect(
    clippy::should_panic_without_expect,
    reason = "the harness accepts any panic, and a failed start must not be one"
)]
mod cases;

/// Runs a case that must fail, and returns the output under its name, without paths.
#[track_caller]
fn failure(case: &str) -> String {
    let name = format!("reports::cases::{case}");
    let Report { passed, text } = again(&name, &[]);
    assert!(!passed, "{text}");
    let own = text.split_once(&format!("---- {name}"));
    let own = own.and_then(|(_, rest)| rest.split_once(" stdout ----\n"));
    let own = own.and_then(|(_, rest)| rest.split_once("\nfailures:\n"));
    let (own, _) = own.unwrap_or_else(|| panic!("no output under its name:\n{text}"));
    let paths = Regex::new(r"/\S*/").expect("a valid expression");
    paths.replace_all(own.trim_end(), "").into_owned()
}

/// The report of one process.
const REPORT: &str = "\
`programs prints hello` (OutputExecutor)
  process:     stopped with the test: killed by SIGTERM (signal 15)
  output, last lines:
    | hello";

#[track_caller]
fn once(text: &str, part: &str) {
    assert_eq!(text.matches(part).count(), 1, "{part:?} once in\n{text}");
}

#[test]
fn a_panic_shows_all_processes_once() {
    let text = failure("panics");
    once(&text, "the body's own panic");
    once(
        &text,
        "the processes of the test attribute::reports::cases::panics:
`programs prints hello 'from the first'` (OutputExecutor)
  process:     stopped with the test: killed by SIGTERM (signal 15)
  output, last lines:
    | hello
    | from the first
`programs prints --stderr 'hello from the second'` (the other)
  process:     stopped with the test: killed by SIGTERM (signal 15)
  error output, last lines:
    | hello from the second
`sleep 60` (SimpleExecutor)
  process:     stopped with the test: killed by SIGTERM (signal 15)
  note:        it printed nothing",
    );
}

#[test]
fn the_report_shows_the_log_file() {
    let text = failure("panics_with_a_log_file");
    once(
        &text,
        "  output, last lines:
    | hello
    | ready
  log file log, last lines:
    | the disk is full",
    );
}

#[test]
fn the_report_distinguishes_ended_from_stopped() {
    let text = failure("outlives_its_process");
    once(
        &text,
        "  process:     ended before the test did: killed by SIGKILL",
    );
}

#[test]
fn the_report_notes_a_restarted_fixture() {
    let text = failure("is_left_by_its_fixture");
    once(
        &text,
        "  note:        it was started again while this test ran",
    );
}

#[test]
fn a_fixture_shows_only_output_since_the_test_began() {
    let text = failure("hears_a_fixture");
    once(&text, "  output, last lines:\n    | a signal");
    assert!(!text.contains("| initdb"), "{text}");
    let text = failure("hears_nothing_of_a_fixture");
    once(&text, "  note:        it printed nothing during this test");
    assert!(!text.contains("| initdb"), "{text}");
}

#[test]
fn a_process_that_died_during_the_test_is_reported_once() {
    let text = failure("is_left_by_its_process");
    once(&text, "exited with code 3");
    once(&text, "ended with an unexpected exit code");
    once(&text, "    | hello");
    once(
        &text,
        "  process:     ended before the test did: exited with code 3",
    );
    once(&text, "  note:        expected: ");
}

#[test]
fn a_failing_exit_code_shows_the_processes() {
    once(&failure("fails_by_its_code"), REPORT);
    once(&failure("fails_by_the_code_of_its_result"), REPORT);
}

#[test]
fn files_of_the_processes_are_kept_on_request() {
    let mut again = command("reports::cases::panics", &[]);
    let output = again
        .env("MIRAKURU_KEEP", "failed")
        .env_remove("NEXTEST_RUN_ID")
        .output();
    let text = String::from_utf8(output.expect("this binary runs").stdout).expect("text");
    let kept: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("keeps its files in "))
        .map(|(_, path)| Path::new(path))
        .collect();
    assert_eq!(kept.len(), 3, "{text}");
    let printed = fs::read_to_string(kept[0].join("captured-stdout-1.log"));
    assert_eq!(
        printed.expect("the output is kept"),
        "hello\nfrom the first\n"
    );
    let place = kept[0].parent().expect("the directory has a parent");
    assert!(
        kept.iter()
            .all(|directory| directory.parent() == Some(place))
    );
    let list = fs::read_to_string(place.join("services.txt")).expect("the list exists");
    assert_eq!(
        list.matches(" reports::cases::panics: ").count(),
        3,
        "{list}"
    );
    fs::remove_dir_all(place).expect("own directory");
}

#[test]
fn a_panic_of_an_async_body_shows_the_processes() {
    let text = failure("panics_async");
    once(&text, "the body's own panic");
    once(&text, REPORT);
}

#[test]
fn an_error_shows_the_processes() {
    let text = failure("fails");
    once(&text, "the body's own error");
    once(&text, REPORT);
}

#[test]
fn a_passing_test_is_silent() {
    // The second returns an `Err`, which its case expects.
    for test in [
        "reports::cases::passes",
        "on_test_case::results::test_case_2_a_letter_that_is_none",
    ] {
        for options in [&[][..], &["--nocapture"]] {
            let Report { passed, text } = again(test, options);
            let silent = !text.contains("hello") && !text.contains("the processes of");
            assert!(passed && silent, "{text}");
        }
    }
}

#[test]
fn a_failed_stop_shows_the_reason() {
    once(&failure("stop_fails"), "ended with an unexpected exit code");
    let text = failure("stop_fails_after_a_panic");
    once(&text, "the body's own panic");
    once(&text, "ended with an unexpected exit code");
    let text = failure("stop_fails_after_the_right_panic");
    once(&text, "ended with an unexpected exit code");
    once(&text, "test did not panic as expected");
}

#[test]
fn a_failed_start_shows_the_reason() {
    let text = failure("start_fails");
    once(&text, "`programs exits 1` ended before it was ready");
    // The output of the other process may show the reason.
    once(&text, REPORT);
}

#[test]
fn a_panic_of_a_check_is_the_only_panic_of_the_test() {
    let text = failure("start_panics");
    once(&text, " panicked at ");
    once(&text, "the user's check panics");
    once(&text, REPORT);
    assert!(!text.contains("before its body began"), "{text}");
}

#[test]
fn no_test_passes_if_its_process_cannot_start() {
    for case in [
        "start_fails_above",
        "start_fails_below",
        "start_fails_above_tokio",
        "start_fails_below_tokio",
        "start_fails_of_test_case::",
        "start_fails_of_a_case::",
        "lent_one_cannot_start",
    ] {
        let text = failure(case);
        once(&text, "`programs exits 1` ended before it was ready");
        once(&text, "test did not panic as expected");
    }
}

#[test]
fn no_test_passes_if_its_set_up_panics() {
    for case in ["set_up_panics", "lock_panics"] {
        let text = failure(case);
        once(&text, "the user's expression panics");
        once(&text, "the test panicked before its body began");
        once(&text, "test did not panic as expected");
    }
}

#[test]
fn no_test_passes_if_it_cannot_lock() {
    let text = failure("lock_fails");
    once(&text, "holds the lock already");
    once(&text, "test did not panic as expected");
}

#[test]
fn an_unexpected_panic_shows_the_processes() {
    let text = failure("wrong_panic");
    once(&text, "panic did not contain expected string");
    once(&text, REPORT);
    let text = failure("no_panic");
    once(&text, "test did not panic as expected");
    once(&text, REPORT);
}

/// Printing to a closed pipe panics. The panic must not end the process, and must not decide the test.
#[test]
fn a_test_whose_errors_are_not_read_just_fails() {
    for case in [
        "panics",
        "fails",
        "stop_fails_after_a_panic",
        "start_fails_above",
    ] {
        let name = format!("reports::cases::{case}");
        let mut command = command(&name, &["--nocapture"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("this binary runs");
        drop(child.stderr.take());
        let output = child.wait_with_output().expect("a child");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(101), "{text}");
        assert!(text.contains("1 failed"), "{text}");
    }
}
