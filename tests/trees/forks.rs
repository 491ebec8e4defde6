//! Forks of a test process. They inherit its sockets, its locks in their state at the fork, and its executors.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor};
use mirakuru_tests::hold::Hold;
use nix::sys::signal::Signal;

use crate::{PROGRAM, TEST_PROCESS, processes::Process};

const SOON: Duration = Duration::from_secs(15);

/// Runs the helper `forks` with this deed and returns the lines that it prints.
fn reported(deed: &str, hold: &Hold) -> Vec<String> {
    let output = Command::new(TEST_PROCESS)
        .arg("forks")
        .args([deed, hold.path()])
        .env("TMPDIR", hold.scratch())
        // The helper must not join the run of this test.
        .env_remove("NEXTEST_RUN_ID")
        .stdin(Stdio::null())
        .output()
        .expect("a helper program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(!hold.is_held(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), [""; 0], "a directory is left");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_fork_that_waits_for_output_takes_no_message_of_its_parent() {
    let reported = reported("reads", &Hold::new());
    // The parent killed the service itself, so `wait_for` succeeds. Only `stop` reports the unexpected exit code.
    assert_eq!(
        reported,
        [
            "true",
            "exit code Some(-9)",
            "running false",
            "stop Err(ProcessFinishedWithError)",
        ]
    );
}

#[test]
fn no_call_hangs_in_a_fork_taken_during_a_start() {
    let reported = reported("while-starting", &Hold::new());
    assert_eq!(
        reported,
        [
            "running false",
            "start false",
            "stop false",
            "restart false",
            "stopped false",
            "output false",
            // Calls that would lease or create something for the parent panic.
            "tmpdir true",
            "socket true",
            "filename true",
            "running true",
        ]
    );
}

#[test]
fn running_does_not_hang_in_a_fork_of_a_process_that_calls_it() {
    assert_eq!(reported("while-looking", &Hold::new()), ["running true"]);
}

#[test]
fn a_fork_starts_services_while_its_parent_sweeps() {
    let reported = reported("while-sweeping", &Hold::new());
    assert_eq!(reported, ["started true", "running true"]);
}

#[test]
fn a_fork_does_not_give_back_the_slot_of_its_parent() {
    assert_eq!(reported("has-a-slot", &Hold::new()), ["another slot true"]);
}

/// A fork during the start of a supervisor inherits the supervisor's end of the socket, so the parent never reads the
/// end of the stream. In this test, the test process itself holds duplicates of that end.
#[test]
fn a_killed_supervisor_is_noticed_while_its_socket_stays_open() {
    let hold = Hold::new();
    let service = OutputExecutor::new(hold.command(&[PROGRAM, "holds", "2"]), "holding");
    service.start().expect("it starts");
    let supervisor = Process::supervisor_of(&service);
    let other_ends = supervisor.sockets();
    assert!(!other_ends.is_empty());

    supervisor.signal(Signal::SIGKILL);
    assert!(supervisor.ended_within(SOON));
    assert!(!service.running());
    let begin = Instant::now();
    let error = service
        .wait_for(|| false)
        .expect_err("the supervisor was killed");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let error = service.stop().expect_err("the supervisor was killed");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert!(hold.is_free(), "a process of the tree is left");

    service.start().expect("another supervisor starts it");
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
    drop(other_ends);
}
