//! The ways in which a stopped process may end. Each end is judged once.

use mirakuru::{Error, ErrorKind, OutputExecutor, Result, Signal, SimpleExecutor};
use mirakuru_tests::error_text::{assert_error_text, error_of};

use crate::PROGRAM;

/// Returns a shell that ends with this code when it receives this signal.
fn ending_with(code: i32, signal: &str) -> OutputExecutor {
    let script = format!("trap 'exit {code}' {signal}; echo ready; while :; do sleep 0.05; done");
    OutputExecutor::new(script, "ready").shell(true)
}

#[track_caller]
fn stops_well(executor: OutputExecutor, code: i32) {
    let executor = executor.started().expect("it starts");
    executor.stop().expect("it stops well");
    assert_eq!(executor.exit_code(), Some(code));
}

#[track_caller]
fn stops_badly(executor: OutputExecutor, code: i32) -> Error {
    let executor = executor.started().expect("it starts");
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_eq!(
        (error.exit_code(), executor.exit_code()),
        (Some(code), Some(code))
    );
    assert!(!executor.running());
    executor.stop().expect("it is judged once");
    error
}

#[test]
fn exit_code_0_is_expected() {
    stops_well(ending_with(0, "TERM"), 0);
    stops_well(ending_with(0, "TERM").expected_returncode(3), 0);
}

#[test]
fn death_by_the_stop_signal_and_its_shell_code_are_expected() {
    stops_well(OutputExecutor::new([PROGRAM, "prints", "up"], "up"), -15);
    stops_well(ending_with(143, "TERM"), 143);
    let other = OutputExecutor::new([PROGRAM, "prints", "up"], "up").stop_signal(Signal::INT);
    stops_well(other, -2);
    stops_well(ending_with(130, "INT").stop_signal(Signal::INT), 130);
    stops_badly(ending_with(143, "INT").stop_signal(Signal::INT), 143);
}

#[test]
fn any_other_code_is_reported() {
    assert_error_text(
        &stops_badly(
            OutputExecutor::new([PROGRAM, "prints", "up"], "up").expected_returncode(3),
            -15,
        ),
        &[
            "`programs prints up` ended with an unexpected exit code",
            "  process:     killed by SIGTERM (signal 15)",
            "  note:        expected: exit code 0 or 3",
            "  note:        the stop sent SIGTERM",
            "  output, last lines:",
            "    | up",
            "  help:        if this exit code is a success, set it as `expected_returncode`; if the service stops cleanly on another signal, set that: `stop_signal = SIGINT` in the attribute, `.stop_signal(Signal::INT)` by hand",
        ],
    );
    let text = stops_badly(ending_with(3, "TERM"), 3).to_string();
    assert!(
        text.contains("\n  process:     exited with code 3\n"),
        "{text}"
    );
    let expected = "  note:        expected: exit code 0 or 143, or SIGTERM\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn an_error_names_the_signal_sent_and_the_one_that_ended_it() {
    let interrupted = ending_with(3, "INT").stop_signal(Signal::INT);
    let text = stops_badly(interrupted.expected_returncode(-9), 3).to_string();
    for part in [
        "note:        expected: exit code 0, or SIGKILL\n",
        "note:        the stop sent SIGINT\n",
        "`.stop_signal(Signal::TERM)` by hand",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn an_expected_code_replaces_the_default() {
    stops_well(ending_with(3, "TERM").expected_returncode(3), 3);
    stops_badly(ending_with(143, "TERM").expected_returncode(3), 143);
    stops_badly(ending_with(4, "TERM").expected_returncode(3), 4);
}

#[test]
fn a_negative_expected_code_is_a_signal_number() {
    stops_well(
        OutputExecutor::new([PROGRAM, "prints", "up"], "up").expected_returncode(-15),
        -15,
    );
    let killed = OutputExecutor::new([PROGRAM, "prints", "up"], "up").stop_signal(Signal::KILL);
    stops_well(killed.expected_returncode(-9), -9);
}

#[test]
fn a_single_stop_can_have_its_own_signal_and_code() -> Result<()> {
    let service = ending_with(7, "USR1").started()?;
    service.stop_with(Signal::USR1, 7)?;
    assert_eq!(service.exit_code(), Some(7));
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
    service.stop_with(Signal::QUIT, None)?;
    assert_eq!(service.exit_code(), Some(-3));
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
    let error = error_of(service.stop_with(Signal::HUP, Some(7)));
    assert_eq!(error.exit_code(), Some(-1));
    Ok(())
}

#[test]
fn a_stop_with_another_signal_keeps_the_expected_code() -> Result<()> {
    let service = ending_with(3, "QUIT").expected_returncode(3).started()?;
    service.stop_with(Signal::QUIT, None)?;
    let service = ending_with(4, "QUIT").expected_returncode(3).started()?;
    let error = error_of(service.stop_with(Signal::QUIT, None));
    assert_eq!(error.exit_code(), Some(4));
    Ok(())
}

/// Starts the executor and waits until its process has ended by itself.
fn ended(command: [&str; 3]) -> Result<SimpleExecutor> {
    let executor = SimpleExecutor::new(command).started()?;
    assert_eq!(
        executor.output().lines().count(),
        0,
        "its output ends with it"
    );
    assert!(!executor.running());
    Ok(executor)
}

#[test]
fn an_end_by_itself_is_judged_once_by_the_stop() -> Result<()> {
    let executor = ended([PROGRAM, "exits", "5"])?;
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert_eq!(error.exit_code(), Some(5));
    let text = error.to_string();
    assert!(text.contains("it had ended before the stop"), "{text}");
    assert!(!text.contains("stop_signal"), "{text}");
    executor.stop()?;
    ended([PROGRAM, "exits", "0"])?.stop()?;
    ended([PROGRAM, "dies", "15"])?.stop()?;
    ended([PROGRAM, "exits", "143"])?.stop()?;
    let error = error_of(ended([PROGRAM, "dies", "9"])?.stop());
    assert_eq!(error.exit_code(), Some(-9));
    ended([PROGRAM, "exits", "5"])?
        .expected_returncode(5)
        .stop()?;
    Ok(())
}

#[test]
fn a_kill_accepts_any_exit_code() -> Result<()> {
    let executor = ended([PROGRAM, "exits", "5"])?;
    executor.kill()?.stop()?;
    let executor = ending_with(5, "INT").started()?;
    executor.kill_with(Signal::INT)?.stop()?;
    assert_eq!(executor.exit_code(), Some(5));
    Ok(())
}
