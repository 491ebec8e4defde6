//! Tests that pass in a normal run, and fail if a test of `reports` runs them again.

use std::process::ExitCode;

use mirakuru::{
    Context, Executor, OutputExecutor, Readiness, Shared, Signal, SimpleExecutor, with_process,
};

use crate::{PROGRAM, rerun::is_again};

#[with_process(output = [PROGRAM, "prints", "hello", "from the first"], banner = "first")]
#[with_process(output = [PROGRAM, "prints", "--stderr", "hello from the second"], banner = "second", name = "the other")]
#[with_process(simple = "sleep 60")]
#[test]
fn panics(_: &OutputExecutor, _: &OutputExecutor, _: &SimpleExecutor) {
    assert!(!is_again(), "the body's own panic");
}

#[with_process(
    output = "sh -c 'echo hello; echo the disk is full > {tmpdir}/log; echo ready; exec sleep 60'",
    banner = "ready",
    log_file = "{tmpdir}/log"
)]
#[test]
fn panics_with_a_log_file(_: &OutputExecutor) {
    assert!(!is_again(), "the body's own panic");
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[tokio::test]
async fn panics_async(_: &OutputExecutor) {
    tokio::task::yield_now().await;
    assert!(!is_again(), "the body's own panic");
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
fn fails(_: &OutputExecutor) -> Result<(), &'static str> {
    if is_again() {
        Err("the body's own error")
    } else {
        Ok(())
    }
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
fn outlives_its_process(prints: &OutputExecutor) -> mirakuru::Result<()> {
    prints.kill()?;
    assert!(!is_again(), "the body's own panic");
    Ok(())
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
fn fails_by_its_code(_: &OutputExecutor) -> ExitCode {
    if is_again() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
fn fails_by_the_code_of_its_result(_: &OutputExecutor) -> Result<ExitCode, &'static str> {
    Ok(if is_again() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

static SHARED: Shared<OutputExecutor> =
    Shared::new(|| OutputExecutor::new([PROGRAM, "prints", "hello"], "hello"));

#[with_process(shared = SHARED)]
#[test]
fn is_left_by_its_fixture(shared: &OutputExecutor) -> mirakuru::Result<()> {
    if is_again() {
        shared.restart()?;
    }
    assert!(!is_again(), "the body's own panic");
    Ok(())
}

/// A fixture that prints a line for each signal.
static CHATTY: Shared<OutputExecutor> = Shared::new(|| {
    let script = "trap 'echo a signal' USR1; echo initdb; echo hello; while :; do sleep 0.01; done";
    OutputExecutor::new(script, "hello").shell(true)
});

#[with_process(shared = CHATTY)]
#[test]
fn hears_a_fixture(chatty: &OutputExecutor) -> mirakuru::Result<()> {
    let output = chatty.output().from_now();
    chatty.signal(Signal::USR1)?;
    output.wait_for("a signal")?;
    assert!(!is_again(), "the body's own panic");
    Ok(())
}

#[with_process(shared = CHATTY)]
#[test]
fn hears_nothing_of_a_fixture(_: &OutputExecutor) {
    assert!(!is_again(), "the body's own panic");
}

/// Returns a process that dies in the test. It exits with code 3 if the test is run again.
fn dies() -> OutputExecutor {
    let code = if is_again() { "3" } else { "0" };
    let script = "trap 'exit $CODE' USR1; echo hello; while :; do sleep 0.01; done";
    OutputExecutor::new(["sh", "-c", script], "hello").env("CODE", code)
}

#[with_process(executor = dies())]
#[test]
fn is_left_by_its_process(service: &OutputExecutor) -> mirakuru::Result<()> {
    service.signal(Signal::USR1)?;
    let _ = service.wait_for(|| !service.running());
    assert!(!is_again(), "the body's own panic");
    Ok(())
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
fn passes(prints: &OutputExecutor) {
    assert!(prints.running());
}

/// Returns a process that exits with code 3 if the test is run again.
fn ends_badly() -> OutputExecutor {
    let code = if is_again() { "3" } else { "0" };
    let script = "trap 'exit $CODE' TERM; echo hello; while :; do sleep 0.05; done";
    OutputExecutor::new(["sh", "-c", script], "hello").env("CODE", code)
}

#[with_process(executor = ends_badly())]
#[test]
fn stop_fails() {}

#[with_process(executor = ends_badly())]
#[test]
fn stop_fails_after_a_panic() {
    assert!(!is_again(), "the body's own panic");
}

#[with_process(executor = ends_badly())]
#[test]
#[should_panic(expected = "the expected panic")]
fn stop_fails_after_the_right_panic() {
    panic!("the expected panic");
}

/// Returns a process that cannot start if the test is run again.
fn cannot_start() -> OutputExecutor {
    if is_again() {
        OutputExecutor::new([PROGRAM, "exits", "1"], "ready")
    } else {
        OutputExecutor::new([PROGRAM, "prints", "ready"], "ready")
    }
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[with_process(executor = cannot_start())]
#[test]
fn start_fails() {}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[with_process(executor = cannot_start())]
#[test]
#[should_panic]
fn start_fails_above() {
    panic!("the expected panic");
}

#[test]
#[should_panic(expected = "ended before it was ready")]
#[with_process(executor = cannot_start())]
fn start_fails_below() {
    panic!("ended before it was ready");
}

/// Panics if the test is run again.
fn cannot_be_made() -> OutputExecutor {
    assert!(!is_again(), "the user's expression panics");
    cannot_start()
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[with_process(executor = cannot_be_made())]
#[test]
#[should_panic]
fn set_up_panics() {
    panic!("the expected panic");
}

/// Returns a process whose check panics if the test is run again.
fn check_panics() -> Executor<impl Readiness> {
    Executor::when("sleep 60", |_: &Context| {
        assert!(!is_again(), "the user's check panics");
        true
    })
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[with_process(executor = check_panics())]
#[test]
fn start_panics() {}

#[with_process(executor = cannot_start())]
#[tokio::test]
#[should_panic]
async fn start_fails_above_tokio() {
    panic!("the expected panic");
}

#[tokio::test]
#[should_panic]
#[with_process(executor = cannot_start())]
async fn start_fails_below_tokio() {
    panic!("the expected panic");
}

#[with_process(executor = cannot_start())]
#[test_case::test_case(1 => panics; "case")]
fn start_fails_of_test_case(_number: u8) {
    panic!("the expected panic");
}

#[with_process(executor = cannot_start())]
#[test_case::case(1 => panics; "case")]
fn start_fails_of_a_case(_number: u8) {
    panic!("the expected panic");
}

static BROKEN: Shared<OutputExecutor> = Shared::new(cannot_start);

#[with_process(shared = BROKEN)]
#[test]
#[should_panic]
fn lent_one_cannot_start() {
    panic!("the expected panic");
}

#[with_process(shared = SHARED, lock = !is_again())]
#[with_process(shared = SHARED, lock = is_again() && panic!("the user's expression panics"))]
#[test]
#[should_panic]
fn lock_panics() {
    panic!("the expected panic");
}

#[with_process(shared = SHARED, lock = true)]
#[with_process(shared = SHARED, lock = is_again())]
#[test]
#[should_panic]
fn lock_fails() {
    panic!("the expected panic");
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
#[should_panic(expected = "something else")]
fn wrong_panic() {
    assert!(!is_again(), "the body's own panic");
    panic!("something else");
}

#[with_process(output = [PROGRAM, "prints", "hello"], banner = "hello")]
#[test]
#[should_panic]
fn no_panic() {
    assert!(is_again());
}
