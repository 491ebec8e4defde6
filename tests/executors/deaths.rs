//! A process that dies before it is ready is told at once, not at the deadline.

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

/// The story of [`UNLUCKY`]. Which check was the last depends on how fast it died.
fn story(waited_for: &str) -> Vec<String> {
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
fn while_its_output_is_watched() {
    let error = dead(&OutputExecutor::new(UNLUCKY, "ready"));
    assert_error_text(
        &error,
        &story("a line of its output that matches \"ready\""),
    );
    assert_eq!(error.exit_code(), Some(3));
    assert_eq!(error.output_tail(), "no luck");
}

#[test]
fn while_its_port_is_asked() {
    let executor = TcpExecutor::new(UNLUCKY, "127.0.0.1", 0);
    let waited_for = format!("{} to accept a connection", executor.addr());
    assert_error_text(&dead(&executor), &story(&waited_for));
}

#[test]
fn while_its_socket_is_asked() {
    let executor = UnixSocketExecutor::new(UNLUCKY, "{socket}");
    let waited_for = format!(
        "the socket {} to accept a connection",
        executor.socket().display()
    );
    assert_error_text(&dead(&executor), &story(&waited_for));
}

#[test]
fn while_its_url_is_asked() {
    let executor = HttpExecutor::new(UNLUCKY, "http://127.0.0.1:{port}/");
    let waited_for = format!(r"HEAD {} to answer with status 2\d\d", executor.url());
    assert_error_text(&dead(&executor), &story(&waited_for));
}

#[test]
fn while_its_file_is_looked_for() {
    let executor = PidExecutor::new(UNLUCKY, "{pidfile}");
    let waited_for = format!("the file {} to exist", executor.filename().display());
    assert_error_text(&dead(&executor), &story(&waited_for));
}

#[test]
fn while_a_closure_is_asked() {
    let executor = Executor::when(UNLUCKY, |_: &Context| false);
    assert_error_text(&dead(&executor), &story("the closure to return true"));
}

#[test]
fn of_an_executor_in_a_box() {
    let executor = TcpExecutor::new(UNLUCKY, "127.0.0.1", 0).boxed();
    let waited_for = format!("{} to accept a connection", executor.addr());
    assert_error_text(&dead(&executor), &story(&waited_for));
}

#[test]
fn some_time_after_its_start() {
    let error = dead(&TcpExecutor::new(
        [PROGRAM, "exits", "7", "300"],
        "127.0.0.1",
        0,
    ));
    assert_eq!(error.exit_code(), Some(7));
}

#[test]
fn by_a_signal_which_is_told_by_name() {
    let error = dead(&OutputExecutor::new([PROGRAM, "dies", "11"], "ready"));
    assert_eq!(error.exit_code(), Some(-11));
    let text = error.to_string();
    assert!(
        text.contains("\n  process:     killed by SIGSEGV (signal 11)"),
        "{text}"
    );
}

#[test]
fn with_the_rest_of_its_tree_gone() {
    let hold = Hold::new();
    let command = hold.script(&format!("'{PROGRAM}' prints child & exit 3"));
    dead(&OutputExecutor::new(command, "never").shell(true));
    assert!(hold.is_free());
}

#[test]
fn a_banner_that_was_its_last_word_is_a_readiness() -> mirakuru::Result<()> {
    // It ended well, and said what was waited for: the check decides.
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
fn a_simple_executor_is_ready_before_it_can_die() -> mirakuru::Result<()> {
    let executor = SimpleExecutor::new(UNLUCKY).started()?;
    assert_eq!(executor.output().lines().count(), 1, "then it ends");
    assert_eq!(executor.exit_code(), Some(3));
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    Ok(())
}
