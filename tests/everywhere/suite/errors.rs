//! Tests that an error explains what failed.

use std::time::Duration;

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor, TcpExecutor};
use mirakuru_everywhere::{life::Life, service};

use crate::{NOW, assert_parts, error_of, waits};

#[test]
fn an_exit_before_readiness_shows_the_code_and_the_output() {
    let steps = ["say=the disk", "warn=is full", "exit=3"];
    let executor = OutputExecutor::new(service(&steps), "never");
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_eq!(
        (error.exit_code(), executor.exit_code()),
        (Some(3), Some(3))
    );
    let parts = [
        "ended before it was ready",
        "waited for:  a line of its output that matches \"never\"",
        "process:     exited with code 3",
        "| the disk",
        "| is full",
    ];
    assert_parts(&error.to_string(), &parts);
}

#[test]
fn an_exit_with_0_before_readiness_is_an_error() {
    let error = error_of(TcpExecutor::new(service(&["say=done"]), "127.0.0.1", 0).start());
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_eq!(error.exit_code(), Some(0));
    assert_parts(&error.to_string(), &["| done"]);
}

#[test]
fn a_timeout_shows_what_was_waited_for_and_stops_the_tree() {
    let life = Life::new();
    let late = OutputExecutor::new(service(&[&life.step(), "tree=2", "wait"]), "never");
    let late = late.timeout(Duration::from_secs(3));
    let error = error_of(late.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let parts = [
        "was not ready in time",
        "waited for:  a line of its output that matches \"never\"",
        "last check:  no line matched",
        "process:     was running with pid ",
    ];
    assert_parts(&error.to_string(), &parts);
    assert!(!late.running());
    life.all_gone_within(NOW);
}

#[test]
fn a_missing_program_is_named() {
    let error = error_of(SimpleExecutor::new("no-such-program --at all").start());
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert_parts(&error.to_string(), &["no-such-program"]);
}

#[test]
fn a_failure_after_readiness_is_an_error_of_the_stop() -> Result<()> {
    let executor =
        OutputExecutor::new(service(&["say=ready", "read", "exit=3"]), "ready").started()?;
    executor.close_input()?.wait_for(|| !executor.running())?;
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_eq!(error.exit_code(), Some(3));
    executor.stop()?;
    Ok(())
}

#[test]
fn an_error_shows_the_last_lines_of_the_log_file() {
    let steps = ["append={tmpdir}/log=no space left", "exit=1"];
    let executor = waits(&steps).log_file("{tmpdir}/log");
    assert_parts(
        &error_of(executor.start()).to_string(),
        &["| no space left"],
    );
}
