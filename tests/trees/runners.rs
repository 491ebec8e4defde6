//! Test processes under nextest, which ends a test that takes too long, and reports a leak if the output of a test is
//! still open after its end.

use std::time::Duration;

use mirakuru_tests::{cargo, hold::Hold};

use crate::PROGRAM;

/// The grace period of two seconds, and a margin for a busy machine.
const GRACE: Duration = Duration::from_secs(15);

/// Runs tests of `under_nextest.rs`. Returns whether they passed, and the output of nextest.
pub(crate) fn nextest(hold: &Hold, profile: &str, filter: &str) -> (bool, String) {
    let mut command = cargo::nextest(PROGRAM, "under_nextest", ("trees/nextest.toml", profile));
    command.args(["--no-fail-fast", "-E"]);
    command.arg(format!("test({filter})"));
    let output = command
        .env("HOLD", hold.path())
        .env("KEEP_IN", hold.scratch())
        .output()
        .expect("cargo");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), text)
}

fn assert_gone_after_a_timeout(profile: &str, hanging: &str) {
    let hold = Hold::new();
    let (passed, text) = nextest(&hold, profile, hanging);
    assert!(!passed, "{text}");
    assert!(text.contains("TIMEOUT"), "{text}");
    assert!(text.contains(hanging), "{text}");
    assert!(hold.is_free_within(GRACE), "a process of the tree is left");
}

#[test]
fn a_tree_is_gone_after_a_timeout_of_nextest() {
    assert_gone_after_a_timeout("terminates", "hangs_with_a_local");
}

#[test]
fn a_tree_in_a_static_is_gone_after_a_timeout_of_nextest() {
    assert_gone_after_a_timeout("terminates", "hangs_with_a_static");
}

#[test]
fn a_tree_is_gone_after_nextest_killed_the_test_at_once() {
    assert_gone_after_a_timeout("kills", "hangs_with_a_static");
}

#[test]
fn nextest_finds_no_leak() {
    let hold = Hold::new();
    let (passed, text) = nextest(&hold, "finds-leaks", "leaves_");
    assert!(passed, "{text}");
    assert!(text.contains("3 tests run: 3 passed"), "{text}");
    let (passed, text) = nextest(&hold, "finds-leaks", "drops_");
    assert!(passed, "{text}");
    assert!(text.contains("1 test run: 1 passed"), "{text}");
    assert!(hold.is_free(), "a process of a tree is left");
}
