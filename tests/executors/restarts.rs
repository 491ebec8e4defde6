//! Restarts: the same port, the same private directory, a new process.

use std::{fs, net::TcpStream, process::Command, thread};

use mirakuru::{ErrorKind, OutputExecutor, Result, Signal, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::PROGRAM;

#[test]
fn a_restart_keeps_the_port_and_the_private_directory() -> Result<()> {
    let service =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0).started()?;
    let before = (service.port(), service.tmpdir(), service.command());
    let pid = service.pid();
    fs::write(service.tmpdir().join("state"), "kept").expect("own directory");
    service.restart()?;
    assert_eq!(
        (service.port(), service.tmpdir(), service.command()),
        before
    );
    assert_ne!(service.pid(), pid);
    let state = fs::read_to_string(service.tmpdir().join("state"));
    assert_eq!(state.expect("it still exists"), "kept");
    TcpStream::connect(service.addr()).expect("it is ready again");
    Ok(())
}

#[test]
fn a_restart_starts_an_executor_that_never_ran() -> Result<()> {
    assert!(SimpleExecutor::new("sleep 60").restart()?.running());
    Ok(())
}

/// Returns a service that exits with 1 at the stop signal, as `nats-server` does, and with 4 at SIGHUP.
fn ends_badly() -> Result<OutputExecutor> {
    let script = "trap 'exit 1' TERM; trap 'exit 4' HUP; echo ready; while :; do sleep 0.02; done";
    OutputExecutor::new(script, "ready").shell(true).started()
}

#[test]
fn an_unexpected_code_is_returned_after_the_restart() -> Result<()> {
    let service = ends_badly()?;
    let restarts: [&dyn Fn() -> Result<()>; 2] = [&|| service.restart().map(drop), &|| {
        service.stopped().map(drop)
    }];
    for restart in restarts {
        let pid = service.pid();
        let error = error_of(restart());
        assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
        assert_eq!(error.exit_code(), Some(1));
        assert!(service.running());
        assert_ne!(service.pid(), pid);
    }
    Ok(())
}

#[test]
fn a_restart_starts_a_service_that_has_ended() -> Result<()> {
    let service = ends_badly()?;
    for signal in [Signal::HUP, Signal::KILL, Signal::from_raw(11)] {
        for by_outage in [false, true] {
            // Another program sends the signal, because the executor accepts signals that it sent itself.
            let pid = service.pid().expect("it runs").to_string();
            let number = signal.as_raw().to_string();
            let sent = Command::new("kill").args(["-s", &number, &pid]).status();
            assert!(sent.expect("a standard program").success());
            service
                .wait_for(|| service.exit_code().is_some())
                .or_else(|error| {
                    // The process may have ended before the first look.
                    error.exit_code().map(|_| &service).ok_or(error)
                })?;
            if by_outage {
                service.stopped()?.restart()?;
            } else {
                service.restart()?;
            }
            assert!(service.running());
        }
    }
    Ok(())
}

#[test]
fn an_end_by_a_signal_of_the_test_is_not_a_failure() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up").started()?;
    for signal in [Signal::KILL, Signal::QUIT] {
        // The process may or may not have ended when the stop begins.
        service.signal(signal)?.restart()?;
        assert!(service.running());
        drop(service.signal(signal)?.stopped()?);
        assert!(service.running());
        drop(service.signal_group(signal)?.stopped()?);
        assert!(service.running());
    }
    service.signal(Signal::KILL)?;
    let error = error_of(service.stop());
    assert_eq!(error.exit_code(), Some(-9), "an explicit stop reports it");
    Ok(())
}

/// The service kills itself at the stop signal, so its stop ends as if another process had killed it just before.
#[test]
fn an_end_by_a_sigkill_of_others_does_not_fail_a_restart() -> Result<()> {
    let script = "trap 'kill -KILL $$' TERM; echo ready; while :; do sleep 0.02; done";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    let first = service.pid();
    service.restart()?;
    assert!(service.running());
    assert_ne!(service.pid(), first);
    let outage = service.stopped()?;
    assert!(!service.running());
    outage.restart()
}

#[test]
fn each_start_has_its_own_output() -> Result<()> {
    let script = "mkdir {tmpdir}/first && echo first || echo second; exec sleep 60";
    let service = OutputExecutor::new(script, "^(first|second)$")
        .shell(true)
        .started()?;
    let first = service.output();
    service.restart()?;
    assert_eq!(first.text(), "first\n");
    assert_eq!(service.output().text(), "second\n");
    Ok(())
}

#[test]
fn an_output_of_an_earlier_start_ends_with_that_start() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "ready", "more"], "ready").started()?;
    let first = service.output();
    service.restart()?;
    let lines: Vec<_> = at_once(|| first.lines().collect::<Result<_>>())?;
    assert_eq!(lines, ["more"]);
    let error = at_once(|| error_of(first.wait_for("never")));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_eq!(error.exit_code(), Some(-15));
    Ok(())
}

#[test]
fn every_start_has_a_new_watch_for_output() -> Result<()> {
    let script = "echo ready; sleep 0.1; echo later; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    for _ in 0..3 {
        // A watch that is still on its way belongs to the earlier start.
        assert_eq!(at_once(|| service.output().wait_for("later"))?, "later");
        service.restart()?;
    }
    Ok(())
}

#[test]
fn an_old_watch_for_output_does_not_delay_a_restart() -> Result<()> {
    let script =
        "mkdir {tmpdir}/first && seq 2000 && exec sleep 60; sleep 0.3; echo hello; exec sleep 60";
    let service = SimpleExecutor::new(script).shell(true).started()?;
    let output = service.output();
    output.wait_for("^2000$")?;
    thread::scope(|scope| {
        // This wait leaves a watch for output beyond those lines.
        let waiting = scope.spawn(|| error_of(output.wait_for("never")));
        service.restart()?;
        assert_eq!(
            waiting.join().expect("no panic").kind(),
            ErrorKind::ProcessExitedWithError
        );
        assert_eq!(at_once(|| service.output().wait_for("hello"))?, "hello");
        Ok(())
    })
}

#[test]
fn a_banner_is_searched_in_the_new_output() -> Result<()> {
    let script = "mkdir {tmpdir}/first && echo ready || exit 4; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    let error = at_once(|| error_of(service.restart()));
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(4))
    );
    Ok(())
}
