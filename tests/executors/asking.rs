//! Each process group receives the stop signal once and has the stop timeout, whichever process it belongs to.

use std::{
    fs, panic,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, Result, Signal, SimpleExecutor};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::PROGRAM;

/// A timeout far longer than the bounds of these tests.
const LONG: Duration = Duration::from_secs(600);

/// Returns a script for a process that notes each SIGTERM and ends a while after the first one.
fn notes(file: &str) -> String {
    format!(
        "trap \"echo asked >>{file}; test -f {file}.end || {{ >{file}.end; sleep 0.1; echo done >>{file}; exit 0; }}\" TERM; \
         echo > {file}.up; while :; do sleep 0.02; done"
    )
}

/// Returns a script for the main process, which notes each SIGTERM and is ready once its trap is set.
fn main_notes(file: &str) -> String {
    notes(file).replace(&format!("echo > {file}.up"), "echo ready")
}

/// Returns a script that waits for the processes that note in these files.
fn awaiting(files: &[&str]) -> String {
    let wait = |file: &&str| format!("until test -e {file}.up; do sleep 0.02; done; ");
    files.iter().map(wait).collect()
}

fn service(hold: &Hold, script: &str) -> OutputExecutor {
    OutputExecutor::new(hold.script(script), "^ready$").shell(true)
}

#[track_caller]
fn assert_stopped_once(hold: &Hold, file: &str) {
    assert!(hold.is_free());
    assert_noted_once(file);
}

#[track_caller]
fn assert_noted_once(file: &str) {
    let noted = fs::read_to_string(file).expect("it received the signal");
    assert_eq!(noted, "asked\ndone\n");
}

/// Returns a hold, and the path of a file for notes next to it.
fn hold_and_file() -> (Hold, String) {
    let hold = Hold::new();
    let file = format!("{}/noted", hold.scratch());
    (hold, file)
}

#[test]
fn a_daemon_gets_the_stop_signal_after_its_launcher_ended() -> Result<()> {
    for launcher in ["exec sleep 60", "exit 0"] {
        let (hold, file) = hold_and_file();
        let script = format!(
            "setsid sh -c '{}' & {} echo ready; {launcher}",
            notes(&file),
            awaiting(&[&file])
        );
        let service = service(&hold, &script).started()?;
        at_once(|| service.stop())?;
        assert_stopped_once(&hold, &file);
    }
    Ok(())
}

/// The main process is the grandparent of the daemon, and takes its time to end.
#[test]
fn a_daemon_gets_the_stop_signal_with_the_main_process() -> Result<()> {
    let (hold, file) = hold_and_file();
    let main = format!("{}/main", hold.scratch());
    let script = format!(
        "sh -c \"setsid sh -c '{}' &\"; {} {}",
        notes(&file).replace('"', "\\\""),
        awaiting(&[&file]),
        main_notes(&main)
    );
    let service = service(&hold, &script).started()?;
    at_once(|| service.stop())?;
    assert_stopped_once(&hold, &file);
    assert_noted_once(&main);
    Ok(())
}

#[test]
fn a_group_that_its_parent_stops_gets_no_second_signal() -> Result<()> {
    let (hold, file) = hold_and_file();
    let script = format!(
        "setsid sh -c '{}' & worker=$!; {} trap 'kill $worker; wait; exit 0' TERM; \
         echo ready; while :; do sleep 0.02; done",
        notes(&file),
        awaiting(&[&file])
    );
    let service = service(&hold, &script).started()?;
    at_once(|| service.stop())?;
    assert_stopped_once(&hold, &file);
    Ok(())
}

/// Each process of the chain has its own group, and ends at the stop signal.
#[test]
fn a_chain_of_groups_is_stopped_from_its_top() -> Result<()> {
    let (hold, file) = hold_and_file();
    let middle = format!(
        "setsid sh -c '{}' & wait",
        notes(&file).replace('\'', "'\\''")
    );
    fs::write(format!("{}/middle", hold.scratch()), middle).expect("own directory");
    let script = format!(
        "setsid sh {}/middle & {} echo ready; wait",
        hold.scratch(),
        awaiting(&[&file])
    );
    let service = service(&hold, &script).started()?;
    at_once(|| service.stop())?;
    assert_stopped_once(&hold, &file);
    Ok(())
}

#[test]
fn a_group_without_a_signal_gets_it_at_the_stop_timeout() -> Result<()> {
    let (hold, file) = hold_and_file();
    let script = format!(
        "setsid sh -c '{}' & {} trap '' TERM; echo ready; while :; do sleep 0.02; done",
        notes(&file),
        awaiting(&[&file])
    );
    let service = service(&hold, &script).stop_timeout(Duration::from_millis(900));
    at_once(|| service.start()?.stop().map(drop))?;
    assert_stopped_once(&hold, &file);
    assert_eq!(service.exit_code(), Some(-9));
    Ok(())
}

#[test]
fn a_drop_in_a_panic_sends_the_stop_signal_first() {
    let (hold, file) = hold_and_file();
    let script = main_notes(&file);
    let panicking = panic::AssertUnwindSafe(|| {
        let service = service(&hold, &script).stop_timeout(LONG);
        let _service = service.started().expect("it starts");
        panic::resume_unwind(Box::new("no message"));
    });
    at_once(|| panic::catch_unwind(panicking)).expect_err("it panics");
    assert_stopped_once(&hold, &file);
}

#[test]
fn a_failed_start_sends_the_stop_signal_first() {
    let (hold, file) = hold_and_file();
    let script = format!("({}) & {} exit 3", notes(&file), awaiting(&[&file]));
    let service = service(&hold, &script).stop_timeout(LONG);
    let error = at_once(|| error_of(service.start()));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_stopped_once(&hold, &file);
}

#[test]
fn a_failed_wait_sends_the_stop_signal_first() -> Result<()> {
    let (hold, file) = hold_and_file();
    let script = main_notes(&file);
    let service = service(&hold, &script).stop_timeout(LONG).started()?;
    let service = service.timeout(Duration::from_millis(50));
    let error = at_once(|| error_of(service.wait_for(|| false)));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_stopped_once(&hold, &file);
    Ok(())
}

#[test]
fn workers_left_by_a_crash_get_the_signal_at_the_next_start() -> Result<()> {
    let (hold, file) = hold_and_file();
    let script = format!(
        "setsid sh -c '{}' & {} echo ready; exec sleep 60",
        notes(&file),
        awaiting(&[&file])
    );
    let service = service(&hold, &script).started()?;
    service.signal(Signal::KILL)?;
    service.wait_for(|| service.exit_code().is_some())?;
    service.start()?;
    assert_noted_once(&file);
    service.kill()?;
    assert!(hold.is_free());
    Ok(())
}

/// Like the client of a container engine, the service cleans up at the kill signal and takes longer than two seconds.
#[test]
fn a_failed_start_waits_the_stop_timeout_after_the_kill_signal() {
    let (hold, file) = hold_and_file();
    let cleaned = format!("{file}.cleaned");
    let script = format!(
        "trap '' TERM; (trap 'sleep 3; echo cleaned >{cleaned}; exit 0' USR1; echo >{file}.up; \
         while :; do sleep 0.02; done) & {} exit 3",
        awaiting(&[&file])
    );
    let service = service(&hold, &script).kill_signal(Signal::USR1);
    let error = at_once(|| error_of(service.start()));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_eq!(
        fs::read_to_string(cleaned).expect("it had the time to clean up"),
        "cleaned\n"
    );
    assert!(hold.is_free());
}

#[test]
fn a_panic_waits_the_stop_timeout_after_the_kill_signal() {
    let (hold, file) = hold_and_file();
    let cleaned = format!("{file}.cleaned");
    let script = format!(
        "trap '' TERM; trap 'echo begun >{cleaned}; sleep 3; echo cleaned >>{cleaned}; exit 0' USR1; \
         echo ready; while :; do sleep 0.02; done"
    );
    let panicking = panic::AssertUnwindSafe(|| {
        let service = service(&hold, &script).kill_signal(Signal::USR1);
        // The stop timeout exceeds the bound of `at_once`: the kill signal must not wait for its end.
        let _service = service.stop_timeout(LONG).started().expect("it starts");
        panic::resume_unwind(Box::new("no message"));
    });
    at_once(|| panic::catch_unwind(panicking)).expect_err("it panics");
    let cleaned = fs::read_to_string(cleaned).expect("it received the signal");
    assert_eq!(cleaned, "begun\ncleaned\n");
    assert!(hold.is_free());
}

#[test]
fn a_service_that_ignores_both_signals_is_killed_in_a_panic() {
    let (hold, file) = hold_and_file();
    let script = format!(
        "trap '' TERM; trap 'echo asked >>{file}' USR1; echo ready; while :; do sleep 0.02; done"
    );
    let begun = Instant::now();
    let panicking = panic::AssertUnwindSafe(|| {
        let service = service(&hold, &script).kill_signal(Signal::USR1);
        let service = service.stop_timeout(Duration::from_secs(2)).started();
        let _service = service.expect("it starts");
        panic::resume_unwind(Box::new("no message"));
    });
    at_once(|| panic::catch_unwind(panicking)).expect_err("it panics");
    assert!(hold.is_free());
    assert_eq!(
        fs::read_to_string(file).expect("it received the signal"),
        "asked\n"
    );
    assert!(
        begun.elapsed() >= Duration::from_secs(4),
        "two seconds for each signal"
    );
}

#[test]
fn a_kill_sends_no_stop_signal() -> Result<()> {
    let (hold, file) = hold_and_file();
    let script = main_notes(&file);
    let service = service(&hold, &script).started()?;
    at_once(|| service.kill())?;
    assert!(!fs::exists(file).expect("own directory"));
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn a_panic_does_not_wait_longer_than_the_stop_takes() {
    let panicking = panic::AssertUnwindSafe(|| {
        let service = SimpleExecutor::new([PROGRAM, "prints"]).stop_timeout(LONG);
        let _service = service.started().expect("it starts");
        panic::resume_unwind(Box::new("no message"));
    });
    at_once(|| panic::catch_unwind(panicking)).expect_err("it panics");
}
