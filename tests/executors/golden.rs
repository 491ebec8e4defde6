//! The whole text of an error of each kind, in `golden/`.

use std::time::Duration;

use mirakuru::{ErrorKind, OutputExecutor, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{error_text::error_of, golden::assert_golden};

use crate::PROGRAM;

const SHORT: Duration = Duration::from_secs(2);

#[test]
fn the_error_of_a_timeout() {
    let starting = OutputExecutor::new([PROGRAM, "prints", "still starting"], "ready");
    let error = error_of(starting.timeout(SHORT).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_golden("timeout_expired", &error);
}

#[test]
fn the_error_of_a_port_that_another_executor_holds() {
    let first = SimpleExecutor::new("sleep 60 {port}")
        .started()
        .expect("it starts");
    let error = error_of(TcpExecutor::new("sleep 60", "127.0.0.1", first.port()).start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_golden("already_running", &error);
}

#[test]
fn the_error_of_an_end_before_readiness() {
    let ends = [PROGRAM, "prints", "--then-exit", "3", "no such table"];
    let error = error_of(OutputExecutor::new(ends, "ready").start());
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_golden("process_exited_with_error", &error);
}

#[test]
fn the_error_of_an_unexpected_exit_code() {
    let script = "trap 'echo oops >&2; exit 3' TERM; echo ready; read -r line";
    let service = OutputExecutor::new(script, "ready")
        .shell(true)
        .started()
        .expect("it starts");
    let error = error_of(service.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_golden("process_finished_with_error", &error);
}

#[test]
fn the_error_of_an_invalid_configuration() {
    let error = error_of(OutputExecutor::new("sleep 60", "(").start());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_golden("invalid_config", &error);
}

#[test]
fn the_error_of_a_missing_program() {
    let error = error_of(SimpleExecutor::new("no-such-program-anywhere --flag").start());
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert_golden("spawn", &error);
}

#[test]
fn the_error_of_a_signal_to_a_stopped_service() {
    let idle = SimpleExecutor::new("sleep 60").name("the idle one");
    let error = error_of(idle.signal(mirakuru::Signal::HUP));
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_golden("io", &error);
}
