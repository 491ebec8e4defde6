//! Signals: those that stop, those that kill, and those that do neither.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    sync::mpsc,
    time::Duration,
};

use mirakuru::{ErrorKind, Output, OutputExecutor, Result, Signal, SimpleExecutor};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

/// A shell script that prints each signal that it receives.
const PRINTS_SIGNALS: &str = "trap 'echo heard HUP' HUP; trap 'echo heard USR1' USR1; echo ready; while :; do sleep 0.05; done";

/// A shell script that ignores the stop signal, reports the kill signal, and exits with 0.
const CLEANS_UP: &str = "trap '' TERM; trap 'echo heard USR1; exit 0' USR1";

fn printing_signals() -> OutputExecutor {
    OutputExecutor::new(PRINTS_SIGNALS, "ready").shell(true)
}

fn ignoring_stop() -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "ignores_stop"], "ready").stop_timeout(Duration::from_millis(100))
}

/// Returns whether the main process is frozen.
fn is_frozen(service: &OutputExecutor) -> bool {
    let pid = service.pid().expect("it runs");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("procfs");
    stat.rsplit(") ")
        .next()
        .is_some_and(|fields| fields.starts_with('T'))
}

#[test]
fn the_stop_signal_can_be_set() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").stop_signal(Signal::USR2);
    assert_eq!(service.start()?.stop()?.exit_code(), Some(-12));
    let service =
        OutputExecutor::new([PROGRAM, "prints", "up"], "up").stop_signal(Signal::from_raw(10));
    assert_eq!(service.start()?.stop()?.exit_code(), Some(-10));
    Ok(())
}

#[test]
fn the_kill_signal_follows_an_ignored_stop_signal() -> Result<()> {
    let service = ignoring_stop().kill_signal(Signal::USR1).started()?;
    at_once(|| service.stop())?;
    assert_eq!(service.exit_code(), Some(-10));
    Ok(())
}

/// A service that cleans up at a signal, as the client of a container engine does, gets this signal in any case.
#[test]
fn every_kill_sends_the_kill_signal_first() -> Result<()> {
    let heard = |output: &Output| {
        output
            .lines()
            .any(|line| line.is_ok_and(|line| line == "heard USR1"))
    };
    let cleans_up = || {
        let command = format!("{CLEANS_UP}; echo ready; while :; do sleep 0.05; done");
        OutputExecutor::new(command, "ready").shell(true)
    };
    let cleans_up = || cleans_up().kill_signal(Signal::USR1);

    let service = cleans_up().started()?.timeout(Duration::from_millis(50));
    let error = error_of(service.wait_for(|| false));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(
        heard(&service.output()),
        "the failed wait sends the kill signal"
    );

    let (reports, reported) = mpsc::channel();
    let panicking = AssertUnwindSafe(|| {
        let service = cleans_up().started().expect("it starts");
        reports.send(service.output()).expect("the receiver waits");
        panic::resume_unwind(Box::new("no message"));
    });
    panic::catch_unwind(panicking).expect_err("it panics");
    assert!(
        heard(&reported.recv().expect("it was reported")),
        "the drop in a panic sends the kill signal"
    );

    // The main process fails once the other process has set its trap.
    let command = format!(
        "mkfifo {{tmpdir}}/prepared; \
         ({CLEANS_UP}; echo > {{tmpdir}}/prepared; while :; do sleep 0.05; done) & \
         read _ < {{tmpdir}}/prepared; exit 3"
    );
    let service = OutputExecutor::new(command, "never printed").shell(true);
    let service = service.kill_signal(Signal::USR1);
    let error = error_of(service.start());
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert!(error.to_string().contains("| heard USR1"), "{error}");
    Ok(())
}

#[test]
fn a_kill_ends_the_whole_tree_at_once() -> Result<()> {
    let hold = Hold::new();
    let command = hold.script(&format!(
        "'{PROGRAM}' ignores_stop child & exec '{PROGRAM}' ignores_stop"
    ));
    let service = OutputExecutor::new(command, "ready").shell(true);
    let service = service.stop_timeout(Duration::from_secs(600)).started()?;
    at_once(|| service.kill())?;
    assert_eq!(service.exit_code(), Some(-9));
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn sigkill_follows_a_kill_by_another_signal() -> Result<()> {
    let service = ignoring_stop().started()?;
    at_once(|| service.kill_with(Signal::INT))?;
    assert_eq!(service.exit_code(), Some(-9));
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").kill_signal(Signal::QUIT);
    assert_eq!(service.start()?.kill()?.exit_code(), Some(-3));
    Ok(())
}

#[test]
fn a_kill_of_a_stopped_executor_is_a_no_op() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up");
    service
        .kill()?
        .kill_with(Signal::HUP)?
        .start()?
        .stop()?
        .kill()?;
    assert_eq!(service.exit_code(), Some(-15));
    Ok(())
}

#[test]
fn a_signal_is_sent_and_stops_nothing() -> Result<()> {
    let service = printing_signals().started()?;
    let pid = service.pid();
    let output = service.output();
    service.signal(Signal::HUP)?;
    assert_eq!(output.wait_for("^heard")?, "heard HUP");
    service.signal(Signal::USR1)?;
    assert_eq!(output.wait_for("^heard")?, "heard USR1");
    assert_eq!(service.pid(), pid, "it still runs");
    Ok(())
}

/// The script has a master and a worker in one group. Each prints the signals that it receives.
#[test]
fn a_signal_goes_to_the_main_process_or_to_its_group() -> Result<()> {
    let waits = "while :; do sleep 0.02; done";
    let script = format!(
        "(trap 'echo worker heard HUP' HUP; trap 'echo worker heard USR1' USR1; echo up; {waits}) & \
         trap 'echo master heard HUP' HUP; trap 'echo master heard USR1' USR1; echo up; {waits}"
    );
    let service = SimpleExecutor::new(script).shell(true).started()?;
    let output = service.output();
    output.wait_for("up").and_then(|_| output.wait_for("up"))?;
    service.signal(Signal::HUP)?;
    assert_eq!(output.wait_for("heard")?, "master heard HUP");
    service.signal_group(Signal::USR1)?;
    let mut heard = [output.wait_for("heard")?, output.wait_for("heard")?];
    heard.sort();
    // The worker has not received the earlier signal.
    assert_eq!(heard, ["master heard USR1", "worker heard USR1"]);
    Ok(())
}

/// The worker of a daemon belongs to the daemon.
#[test]
fn a_signal_reaches_the_daemon_left_by_the_main_process() -> Result<()> {
    let waits = "while :; do sleep 0.02; done";
    let daemon = format!(
        "(trap 'echo worker' HUP; echo up; {waits}) & trap 'echo daemon' HUP; echo up; {waits}"
    );
    let service = SimpleExecutor::new(format!("setsid sh -c \"{daemon}\" & exit 0")).shell(true);
    let output = service.start()?.output();
    service.wait_for(|| output.text() == "up\nup\n")?;
    service.signal(Signal::HUP)?;
    service.wait_for(|| output.text().contains("daemon"))?;
    service.signal_group(Signal::HUP)?;
    service.wait_for(|| output.text().contains("worker"))?;
    let lines = output.text();
    assert_eq!(lines.lines().nth(2), Some("daemon"), "{lines}");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_can_be_frozen_and_thawed() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
    service
        .signal(Signal::STOP)?
        .wait_for(|| is_frozen(&service))?;
    assert!(service.running());
    service
        .signal(Signal::CONT)?
        .wait_for(|| !is_frozen(&service))?;
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_frozen_service_receives_the_stop_signal() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "stops_itself"], "ready").started()?;
    service.wait_for(|| is_frozen(&service))?;
    at_once(|| service.stop())?;
    assert_eq!(
        service.exit_code(),
        Some(-15),
        "ended by SIGTERM, not by SIGKILL"
    );
    Ok(())
}

#[test]
fn a_stopped_executor_cannot_be_signalled() -> Result<()> {
    let service = SimpleExecutor::new("sleep 60");
    let expected = "`sleep 60` cannot be signalled: it is not running";
    let error = error_of(service.signal(Signal::HUP));
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_error_text(&error, &[expected]);
    service.start()?.stop()?;
    let error = error_of(service.signal(Signal::HUP));
    assert_error_text(
        &error,
        &[expected, "  process:     killed by SIGTERM (signal 15)"],
    );
    Ok(())
}

#[test]
fn an_unknown_signal_number_is_invalid_and_not_sent() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
    let pid = service.pid();
    for number in [i32::MIN, -15, 0, 999, i32::MAX] {
        let none = Signal::from_raw(number);
        for outcome in [
            service.signal(none),
            service.stop_with(none, None),
            service.stop_with(none, Some(3)),
            service.kill_with(none),
        ] {
            let error = error_of(outcome);
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let reason = format!("no signal has the number {number}");
            assert!(error.to_string().contains(&reason), "{error}");
        }
        for executor in [
            SimpleExecutor::new([PROGRAM, "prints", "up"]).stop_signal(none),
            SimpleExecutor::new([PROGRAM, "prints", "up"]).kill_signal(none),
        ] {
            let error = error_of(executor.start());
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert_eq!((executor.pid(), executor.exit_code()), (None, None));
        }
    }
    assert_eq!(service.pid(), pid, "it still runs");
    assert_eq!(service.stop()?.exit_code(), Some(-15));
    Ok(())
}

#[test]
fn an_impossible_expected_exit_code_fails_the_stop() -> Result<()> {
    for code in [i32::MIN, i32::MAX] {
        let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
        let error = error_of(service.stop_with(Signal::TERM, Some(code)));
        assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
        assert_eq!(error.exit_code(), Some(-15));
    }
    Ok(())
}

#[test]
fn signals_have_names() {
    let known = [
        (Signal::TERM, "SIGTERM", 15),
        (Signal::KILL, "SIGKILL", 9),
        (Signal::INT, "SIGINT", 2),
        (Signal::QUIT, "SIGQUIT", 3),
        (Signal::HUP, "SIGHUP", 1),
    ];
    for (signal, name, number) in known {
        assert_eq!(
            (signal.to_string(), signal.as_raw()),
            (name.to_owned(), number)
        );
        assert_eq!(Signal::from_raw(number), signal);
        assert_eq!(format!("{signal:?}"), name);
    }
    assert_eq!(Signal::from_raw(64).to_string(), "signal 64");
    let more = [Signal::USR1, Signal::USR2, Signal::STOP, Signal::CONT];
    assert_eq!(
        more.map(|signal| signal.to_string()),
        ["SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT"]
    );
}
