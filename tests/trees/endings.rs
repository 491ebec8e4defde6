//! Every ending of a test process, combined with every way of holding an executor: no process of a stubborn tree, no
//! supervisor and no private directory is left.
//!
//! After a normal end, including a panic, they are gone when the process has exited. After a crash or a signal, the
//! supervisor removes them within its grace period.

use std::{process::Command, time::Duration};

use mirakuru_tests::hold::Hold;

use nix::sys::signal::Signal;

use crate::{PROGRAM, TEST_PROCESS, processes::carrying, stubborn, victim::Victim};

/// The grace period of two seconds, and a margin for a busy machine.
const GRACE: Duration = Duration::from_secs(15);
/// The executor's stop timeout if the test process lives to wait for it.
const SHORT_MS: &str = "4000";
/// The executor's stop timeout if the test process dies: far beyond the grace period, which applies instead.
const LONG_MS: &str = "60000";

/// Makes one module per way of holding the executor, with one test per ending.
macro_rules! endings_of {
    ($($holding:ident: $name:literal,)*) => {$(
        mod $holding {
            use super::{Signal, assert_stubborn_gone_at_once, assert_stubborn_gone_within_the_grace_period, assert_stubborn_gone_after_an_exec};

            #[test]
            fn is_gone_when_main_has_returned() {
                assert_stubborn_gone_at_once($name, "return", Some(0));
            }

            #[test]
            fn is_gone_when_a_panic_has_ended_the_process() {
                assert_stubborn_gone_at_once($name, "panic", Some(101));
            }

            #[test]
            fn is_gone_when_the_process_has_called_exit() {
                assert_stubborn_gone_at_once($name, "exit", Some(0));
            }

            #[test]
            fn is_gone_after_an_exit_while_threads_start_services() {
                assert_stubborn_gone_at_once($name, "exit-while-starting", Some(0));
            }

            #[test]
            fn is_gone_soon_after_an_abort() {
                assert_stubborn_gone_within_the_grace_period($name, "abort", None);
            }

            #[test]
            fn is_gone_soon_after_a_sigint() {
                assert_stubborn_gone_within_the_grace_period($name, "return", Some(Signal::SIGINT));
            }

            #[test]
            fn is_gone_soon_after_a_sigterm() {
                assert_stubborn_gone_within_the_grace_period($name, "return", Some(Signal::SIGTERM));
            }

            #[test]
            fn is_gone_soon_after_a_sigkill() {
                assert_stubborn_gone_within_the_grace_period($name, "return", Some(Signal::SIGKILL));
            }

            #[test]
            fn is_gone_soon_after_the_process_execs_another_program() {
                assert_stubborn_gone_after_an_exec($name);
            }
        }
    )*};
}

endings_of! {
    a_local: "local",
    a_static: "static",
    a_forgotten_one: "forgotten",
}

/// Starts a victim in the hold's scratch directory. `TMPDIR` also marks every process that the victim starts.
fn victim(hold: &Hold, holding: &str, ending: &str, service: &[String], stop_ms: &str) -> Victim {
    let mut command = Command::new(TEST_PROCESS);
    command.arg("victim");
    command
        .env("TMPDIR", hold.scratch())
        .env("STOP_TIMEOUT_MS", stop_ms);
    let victim = Victim::start(command.args([holding, ending]).args(service));
    assert!(victim.directory.is_dir(), "its directory is in use");
    assert_eq!(victim.supervisors.len(), 1);
    victim
}

fn assert_stubborn_gone_at_once(holding: &str, ending: &str, code: Option<i32>) {
    let hold = Hold::new();
    assert_gone_at_once(
        &hold,
        holding,
        ending,
        &stubborn::service(hold.path()),
        code,
    );
}

fn assert_gone_at_once(
    hold: &Hold,
    holding: &str,
    ending: &str,
    service: &[String],
    code: Option<i32>,
) {
    let mut victim = victim(hold, holding, ending, service, SHORT_MS);
    assert!(!hold.is_free(), "the tree is running");
    victim.go_on();
    assert_eq!(victim.wait().code(), code);
    // The process has exited, so nothing below may wait.
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(victim.supervisors[0].was_reaped(), "a supervisor is left");
    assert_eq!(hold.left_in_scratch(), [""; 0], "a directory is left");
    let living = carrying(&format!("TMPDIR={}", hold.scratch()));
    assert!(living.is_empty(), "{living:?} are left");
    // No process has the output open. A runner would report a leak.
    assert_eq!(victim.rest_of_output(), "");
}

fn assert_stubborn_gone_within_the_grace_period(
    holding: &str,
    ending: &str,
    signal: Option<Signal>,
) {
    let hold = Hold::new();
    assert_gone_within_the_grace_period(
        &hold,
        holding,
        ending,
        &stubborn::service(hold.path()),
        signal,
    );
}

fn assert_gone_within_the_grace_period(
    hold: &Hold,
    holding: &str,
    ending: &str,
    service: &[String],
    signal: Option<Signal>,
) {
    let mut victim = victim(hold, holding, ending, service, LONG_MS);
    assert!(!hold.is_free(), "the tree is running");
    match signal {
        Some(signal) => victim.signal(signal),
        None => victim.go_on(),
    }
    assert_eq!(victim.wait().code(), None, "it died by a signal");
    assert_eq!(victim.rest_of_output(), "");
    assert_gone_soon(hold, &victim);
}

fn assert_gone_soon(hold: &Hold, victim: &Victim) {
    assert!(hold.is_free_within(GRACE), "a process of the tree is left");
    let supervisor = &victim.supervisors[0];
    assert!(supervisor.ended_within(GRACE), "a supervisor is left");
    assert_eq!(hold.left_in_scratch(), [""; 0], "a directory is left");
}

fn assert_stubborn_gone_after_an_exec(holding: &str) {
    let hold = Hold::new();
    let mut victim = victim(
        &hold,
        holding,
        "exec",
        &stubborn::service(hold.path()),
        LONG_MS,
    );
    victim.go_on();
    assert_eq!(victim.next_line(), "another program");
    // The process itself lives on as the other program.
    assert_gone_soon(&hold, &victim);
}

#[test]
fn a_tree_in_one_group_is_gone_when_main_has_returned() {
    let hold = Hold::new();
    let service = hold.command(&[PROGRAM, "holds", "3"]);
    assert_gone_at_once(&hold, "static", "return", &service, Some(0));
}

#[test]
fn a_service_that_ignores_sigterm_is_gone_after_main_returned() {
    let hold = Hold::new();
    assert_gone_at_once(
        &hold,
        "static",
        "return",
        &ignores_stop_signals(&hold),
        Some(0),
    );
}

#[test]
fn a_service_that_ignores_sigterm_is_gone_soon_after_a_sigkill() {
    let hold = Hold::new();
    let service = ignores_stop_signals(&hold);
    assert_gone_within_the_grace_period(&hold, "local", "return", &service, Some(Signal::SIGKILL));
}

#[test]
fn a_service_that_forks_and_exits_is_gone_soon_after_a_sigkill() {
    let hold = Hold::new();
    let service = hold.command(&[PROGRAM, "forks_fast"]);
    assert_gone_within_the_grace_period(&hold, "local", "return", &service, Some(Signal::SIGKILL));
}

/// Returns a command that ignores the stop signals. An ignored signal stays ignored across `exec`.
fn ignores_stop_signals(hold: &Hold) -> [String; 3] {
    let script = format!("trap '' TERM INT HUP; exec '{PROGRAM}' holds 2");
    ["sh".to_owned(), "-c".to_owned(), hold.script(&script)]
}

#[test]
fn a_stop_by_a_thread_during_the_exit_leaves_no_process() {
    let hold = Hold::new();
    // The main process reports the signal and goes on. The daemon ignores it and has an empty environment, so the sweep
    // that follows a killed supervisor would not find it.
    let daemon = format!("'{PROGRAM}' leaves_daemon --scrub --ignore-term");
    let script = format!("trap 'echo asked' TERM; {daemon}; while :; do sleep 60 & wait; done");
    let service = ["sh", "-c", &hold.script(&script)].map(str::to_owned);
    assert_gone_at_once(&hold, "static", "exit-while-stopping", &service, Some(0));
}

#[test]
fn services_that_are_being_started_are_gone_after_a_sigkill() {
    let hold = Hold::new();
    let mut victim = victim(
        &hold,
        "local",
        "exit-while-starting",
        &stubborn::service(hold.path()),
        LONG_MS,
    );
    victim.signal(Signal::SIGKILL);
    victim.wait();
    // The victim is dead and starts no more services. Each round finds the processes that the kernel still lists.
    loop {
        let living = carrying(&format!("TMPDIR={}", hold.scratch()));
        if living.is_empty() {
            break;
        }
        for process in living {
            assert!(process.ended_within(GRACE), "{process:?} is left");
        }
    }
    assert!(hold.is_free_within(GRACE), "a process of a tree is left");
    assert_eq!(hold.left_in_scratch(), [""; 0], "a directory is left");
}

#[test]
fn a_tree_without_a_supervisor_is_gone_after_an_exit() {
    let hold = Hold::new();
    // The daemon keeps its environment, so the sweep finds it without a supervisor.
    let words = [PROGRAM, "leaves_daemon", "--ignore-term", "--main-stays"];
    let service = hold.command(&words);
    let mut victim = victim(&hold, "static", "exit", &service, SHORT_MS);
    victim.supervisors[0].signal(Signal::SIGKILL);
    assert!(victim.supervisors[0].ended_within(GRACE));
    assert!(!hold.is_free(), "the daemon lives");

    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(!victim.directory.exists(), "its directory is left");
}
