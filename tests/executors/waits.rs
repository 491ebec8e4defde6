//! `Executor::wait_for`: it waits until a closure returns `true`, the timeout ends, or the process ends.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

#[test]
fn a_wait_returns_once_the_closure_returns_true() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "prints", "--delay", "100", "done"]).started()?;
    service.wait_for(|| service.output().text() == "done\n")?;
    assert_eq!(service.output().text(), "done\n");
    assert!(service.running());
    Ok(())
}

#[test]
fn a_wait_kills_the_tree_at_the_timeout() -> Result<()> {
    let hold = Hold::new();
    let service = OutputExecutor::new(hold.command(&[PROGRAM, "prints", "up"]), "up")
        .started()?
        .timeout(Duration::from_secs(1));
    let error = at_once(|| error_of(service.wait_for(|| false)));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(hold.is_free());
    assert!(!service.running());
    service.stop()?;
    Ok(())
}

#[test]
fn the_timeout_of_a_wait_is_reported_in_full() -> Result<()> {
    let service = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0)
        .started()?
        .timeout(Duration::from_secs(1));
    let port = service.port();
    assert_error_text(
        &error_of(service.wait_for(|| false)),
        &[
            &*format!("`programs listens_late {port}` timed out"),
            "  waited for:  the closure to return true",
            "  how long:    TIME",
            "  last check:  the closure returned false",
            "  process:     was running with pid PID",
            "  output, last lines:",
            "    | listening",
        ],
    );
    Ok(())
}

#[test]
fn the_end_of_the_process_fails_a_wait_at_once() -> Result<()> {
    let command = [
        PROGRAM,
        "prints",
        "--delay",
        "200",
        "--then-exit",
        "3",
        "bye",
    ];
    let service = SimpleExecutor::new(command).started()?;
    let error = at_once(|| error_of(service.wait_for(|| false)));
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(3))
    );
    assert_error_text(
        &error,
        &[
            "`programs prints --delay 200 --then-exit 3 bye` ended*",
            "  waited for:  the closure to return true",
            "  how long:    TIME",
            "  last check:  the closure returned false",
            "  process:     exited with code 3",
            "  output, last lines:",
            "    | bye",
        ],
    );
    assert!(
        !error.to_string().contains("before it was ready"),
        "it was ready: {error}"
    );
    Ok(())
}

#[test]
fn an_exit_with_0_fails_a_wait_at_once() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "exits", "0", "200"]).started()?;
    let error = at_once(|| error_of(service.wait_for(|| false)));
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(0))
    );
    Ok(())
}

#[test]
fn the_closure_is_called_once_more_after_the_end() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "exits", "3", "200"]).started()?;
    service.wait_for(|| service.exit_code().is_some())?;
    assert_eq!(service.exit_code(), Some(3));
    Ok(())
}

#[test]
fn the_closure_is_called_once_without_a_process() -> Result<()> {
    let service = SimpleExecutor::new("sleep 60");
    service.wait_for(|| true)?;
    let error = at_once(|| error_of(service.wait_for(|| false)));
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("not running"), "{error}");
    Ok(())
}

#[test]
fn a_wait_goes_on_while_a_daemon_lives() -> Result<()> {
    let script = "(exec sleep 60) & exit 0";
    let service = SimpleExecutor::new(script).shell(true).started()?;
    service.wait_for(|| service.exit_code() == Some(0))?;
    // The main process is gone. The daemon that it left is the service.
    service.wait_for(|| true)?;
    service.stop()?;
    Ok(())
}

#[test]
fn a_timeout_spares_a_newer_service_of_another_thread() -> Result<()> {
    let service = SimpleExecutor::new("sleep 60").timeout(Duration::from_secs(1));
    service.start()?;
    let (asked, is_asked) = mpsc::channel();
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(1);
            error_of(service.wait_for(move || {
                let _ = asked.send(());
                // The closure returns when the wait is overdue and the newer service runs.
                let _ = is_over.recv();
                while Instant::now() < deadline {
                    thread::yield_now();
                }
                false
            }))
        });
        is_asked.recv().expect("the closure is called");
        service.restart()?;
        drop(over);
        let error = waits.join().expect("no panic");
        // The error is about the earlier service: either its end or the timeout, whichever is seen first.
        let kinds = [ErrorKind::TimeoutExpired, ErrorKind::ProcessExitedWithError];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert!(service.running(), "{error}");
        service.stop().map(drop)
    })
}
