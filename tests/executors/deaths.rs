//! The death of a process that is not ready is reported at once, not at the deadline.

use mirakuru::{
    Error, ErrorKind, Executor, HttpExecutor, OutputExecutor, PidExecutor, Readiness,
    SimpleExecutor, TcpExecutor, UnixSocketExecutor, readiness::Context,
};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

const UNLUCKY: [&str; 5] = [PROGRAM, "prints", "--then-exit", "3", "no luck"];

fn dead<R: Readiness>(executor: &Executor<R>) -> Error {
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert!(!executor.running());
    assert_eq!(executor.exit_code(), error.exit_code());
    error
}

/// Returns the expected error for [`UNLUCKY`]. The last check in it depends on how fast the process died.
fn expected_error(waited_for: &str) -> Vec<String> {
    [
        "`programs prints --then-exit 3 'no luck'` ended before it was ready",
        &format!("  waited for:  {waited_for}"),
        "  how long:    TIME",
        "  last check:  *",
        "  process:     exited with code 3",
        "  output, last lines:",
        "    | no luck",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn a_death_while_output_is_watched_fails_at_once() {
    let error = dead(&OutputExecutor::new(UNLUCKY, "ready"));
    assert_error_text(
        &error,
        &expected_error("a line of its output that matches \"ready\""),
    );
    assert_eq!(error.exit_code(), Some(3));
    assert_eq!(error.output_tail(), "no luck");
}

#[test]
fn a_death_while_the_port_is_checked_fails_at_once() {
    let executor = TcpExecutor::new(UNLUCKY, "127.0.0.1", 0);
    let waited_for = format!("{} to accept a connection", executor.addr());
    assert_error_text(&dead(&executor), &expected_error(&waited_for));
}

#[test]
fn a_death_while_the_socket_is_checked_fails_at_once() {
    let executor = UnixSocketExecutor::new(UNLUCKY, "{socket}");
    let waited_for = format!(
        "the socket {} to accept a connection",
        executor.socket().display()
    );
    assert_error_text(&dead(&executor), &expected_error(&waited_for));
}

#[test]
fn a_death_while_the_url_is_checked_fails_at_once() {
    let executor = HttpExecutor::new(UNLUCKY, "http://127.0.0.1:{port}/");
    let waited_for = format!(r"HEAD {} to answer with status 2\d\d", executor.url());
    assert_error_text(&dead(&executor), &expected_error(&waited_for));
}

#[test]
fn a_death_while_a_file_is_awaited_fails_at_once() {
    let executor = PidExecutor::new(UNLUCKY, "{pidfile}");
    let waited_for = format!("the file {} to exist", executor.filename().display());
    assert_error_text(&dead(&executor), &expected_error(&waited_for));
}

#[test]
fn a_death_while_a_closure_is_polled_fails_at_once() {
    let executor = Executor::when(UNLUCKY, |_: &Context| false);
    assert_error_text(
        &dead(&executor),
        &expected_error("the closure to return true"),
    );
}

#[test]
fn a_death_of_a_boxed_executor_fails_at_once() {
    let executor = TcpExecutor::new(UNLUCKY, "127.0.0.1", 0).boxed();
    let waited_for = format!("{} to accept a connection", executor.addr());
    assert_error_text(&dead(&executor), &expected_error(&waited_for));
}

#[test]
fn a_death_some_time_after_the_start_fails_at_once() {
    let error = dead(&TcpExecutor::new(
        [PROGRAM, "exits", "7", "300"],
        "127.0.0.1",
        0,
    ));
    assert_eq!(error.exit_code(), Some(7));
}

#[test]
fn a_death_by_a_signal_names_the_signal() {
    let error = dead(&OutputExecutor::new([PROGRAM, "dies", "11"], "ready"));
    assert_eq!(error.exit_code(), Some(-11));
    let text = error.to_string();
    assert!(
        text.contains("\n  process:     killed by SIGSEGV (signal 11)"),
        "{text}"
    );
}

#[test]
fn a_death_kills_the_rest_of_its_tree() {
    let hold = Hold::new();
    let command = hold.script(&format!("'{PROGRAM}' prints child & exit 3"));
    dead(&OutputExecutor::new(command, "never").shell(true));
    assert!(hold.is_free());
}

#[test]
fn a_banner_before_an_exit_with_0_is_ready() -> mirakuru::Result<()> {
    // The process exited with 0 and printed the line: the check decides.
    let command = [
        PROGRAM,
        "prints",
        "--no-newline",
        "--then-exit",
        "0",
        "ready",
    ];
    OutputExecutor::new(command, "ready").start()?.stop()?;
    Ok(())
}

#[test]
fn a_simple_executor_is_ready_once_spawned_even_if_it_dies() -> mirakuru::Result<()> {
    let executor = SimpleExecutor::new(UNLUCKY).started()?;
    assert_eq!(executor.output().lines().count(), 1, "then it ends");
    assert_eq!(executor.exit_code(), Some(3));
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    Ok(())
}
