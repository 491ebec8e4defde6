//! Signals that also reach the supervisors of a test process, as at the end of a session or when a CI runner cancels a
//! job (`kill -TERM -1`).

use std::{process::Command, time::Duration};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::Hold;
use nix::sys::signal::Signal;

use crate::{
    PROGRAM, TEST_PROCESS,
    processes::{Process, parent_of},
    stubborn,
    victim::Victim,
};

/// The grace period of two seconds, and a margin for a busy machine.
const GRACE: Duration = Duration::from_secs(15);
/// The catchable signals whose default action ends a process.
const ENDING: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGPIPE,
];

fn victim(hold: &Hold) -> Command {
    let mut command = Command::new(TEST_PROCESS);
    command.arg("victim");
    command
        .env("TMPDIR", hold.scratch())
        .env("STOP_TIMEOUT_MS", "60000")
        .args(["local", "return"]);
    command
}

fn with_a_daemon(hold: &Hold) -> Victim {
    Victim::start(victim(hold).args(stubborn::service(hold.path())))
}

#[test]
fn a_signal_to_test_process_and_supervisor_leaves_nothing() {
    let trees: Vec<_> = ENDING[..4]
        .iter()
        .map(|signal| {
            let hold = Hold::new();
            let victim = with_a_daemon(&hold);
            (signal, hold, victim)
        })
        .collect();
    for (signal, hold, victim) in &trees {
        assert!(!hold.is_free(), "the tree is running");
        victim.supervisors[0].signal(**signal);
        victim.signal(**signal);
    }
    for (signal, hold, mut victim) in trees {
        assert_eq!(victim.wait().code(), None, "it died by {signal}");
        assert!(hold.is_free_within(GRACE), "{signal}: a process is left");
        assert!(victim.supervisors[0].ended_within(GRACE));
        assert_eq!(hold.left_in_scratch(), [""; 0], "a directory is left");
    }
}

#[test]
fn a_supervisor_survives_every_catchable_signal() {
    let hold = Hold::new();
    let service = OutputExecutor::new(hold.command(&[PROGRAM, "holds", "2"]), "holding");
    service.start().expect("it starts");
    let supervisor = Process::supervisor_of(&service);
    for signal in ENDING {
        supervisor.signal(signal);
    }
    // The supervisor answers, and the signals did not reach its service.
    assert!(!supervisor.ended_within(Duration::from_millis(100)));
    assert!(service.running());
    service.stop().expect("it ends as asked");
    assert_eq!(service.exit_code(), Some(-15));
    service.start().expect("the same supervisor starts it");
    assert_eq!(parent_of(service.pid().expect("it runs")), supervisor.id());
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
}

/// The grace period ends two seconds after the end of the test process. An ignored kill signal does not extend it by
/// the kill timeout.
#[test]
fn an_ignored_kill_signal_does_not_outlast_the_grace_period() {
    let is_soon = |_| {
        let hold = Hold::new();
        let script = hold.script(&format!("trap '' TERM QUIT; exec '{PROGRAM}' holds 2"));
        let mut command = victim(&hold);
        command.env("KILL_SIGNAL", "3").args(["sh", "-c", &script]);
        let mut victim = Victim::start(&mut command);
        victim.signal(Signal::SIGKILL);
        victim.wait();
        let is_soon = hold.is_free_within(Duration::from_millis(3500));
        let is_gone = is_soon || hold.is_free_within(GRACE);
        assert!(is_gone, "a process of the tree is left");
        is_soon
    };
    // A busy machine may be late by chance.
    assert!((0..3).any(is_soon), "it was late each time");
}
