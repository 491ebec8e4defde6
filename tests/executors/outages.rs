//! An outage: the service is stopped, and starts again when the guard is dropped.

use std::{
    fs,
    net::TcpStream,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicUsize, Ordering},
};

use mirakuru::{Context, ErrorKind, Executor, OutputExecutor, Result, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{error_text::error_of, hold::Hold};

use crate::PROGRAM;

fn listening() -> Result<TcpExecutor> {
    TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0).started()
}

#[test]
fn the_port_is_closed_until_the_outage_ends() -> Result<()> {
    let service = listening()?;
    let address = service.addr();
    let outage = service.stopped()?;
    assert!(!service.running());
    TcpStream::connect(&address).expect_err("no process listens");
    drop(outage);
    assert!(service.running());
    assert_eq!(service.addr(), address);
    TcpStream::connect(&address).expect("it listens again");
    Ok(())
}

#[test]
fn an_outage_can_end_by_a_call() -> Result<()> {
    let service = listening()?;
    let outage = service.stopped()?;
    assert_eq!(format!("{outage:?}"), "Stopped { .. }");
    outage.restart()?;
    TcpStream::connect(service.addr()).expect("it listens again");
    Ok(())
}

#[test]
fn an_outage_of_a_boxed_executor_works() -> Result<()> {
    let service = listening()?.boxed();
    drop(service.stopped()?);
    assert!(service.running());
    Ok(())
}

/// Returns a service that starts once, and fails from then on.
fn starts_once() -> Result<OutputExecutor> {
    let script = "mkdir {tmpdir}/first && echo ready || exit 4; exec sleep 60";
    OutputExecutor::new(script, "ready").shell(true).started()
}

#[test]
fn a_restart_shows_why_it_failed() -> Result<()> {
    let service = starts_once()?;
    let error = error_of(service.stopped()?.restart());
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(4))
    );
    Ok(())
}

#[test]
fn a_drop_that_cannot_restart_does_not_panic() -> Result<()> {
    let service = starts_once()?;
    drop(service.stopped()?);
    assert!(!service.running());
    Ok(())
}

#[test]
fn a_drop_whose_check_panics_does_not_panic() -> Result<()> {
    let hold = Hold::new();
    let starts = AtomicUsize::new(0);
    let service = Executor::when(
        hold.command(&[PROGRAM, "prints", "up"]),
        move |cx: &Context| {
            if !cx.output().text().contains("up") {
                return false;
            }
            if starts.fetch_add(1, Ordering::Relaxed) > 0 {
                // `resume_unwind` prints nothing, unlike `panic!`: the test's output stays readable.
                panic::resume_unwind(Box::new("as planned"));
            }
            true
        },
    );
    let service = service.started()?;
    let outage = service.stopped()?;
    panic::catch_unwind(AssertUnwindSafe(|| drop(outage))).expect("no panic");
    assert!(!service.running());
    assert!(hold.is_free(), "a process of the tree is left");
    Ok(())
}

#[test]
fn a_panic_in_an_outage_starts_nothing() -> Result<()> {
    let service = listening()?;
    let panicking = AssertUnwindSafe(|| {
        let _outage = service.stopped().expect("it stops");
        panic::resume_unwind(Box::new("no message"));
    });
    panic::catch_unwind(panicking).expect_err("it panics");
    assert!(!service.running());
    Ok(())
}

#[test]
fn a_panic_in_an_outage_releases_the_port() -> Result<()> {
    let port = SimpleExecutor::new("x {port}").port();
    let command = [PROGRAM, "listens_late", "{port}"];
    let [service, other] = [(); 2].map(|()| TcpExecutor::new(command, "127.0.0.1", port));
    service.start()?;
    let panicking = AssertUnwindSafe(|| {
        let _outage = service.stopped().expect("it stops");
        let error = error_of(other.start());
        assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
        panic::resume_unwind(Box::new("no message"));
    });
    panic::catch_unwind(panicking).expect_err("it panics");
    other.start()?;
    assert!(other.running() && !service.running());
    Ok(())
}

#[test]
fn an_unexpected_code_prevents_the_outage() -> Result<()> {
    let script =
        "trap 'exit 3' TERM; echo ready; mkdir {tmpdir}/only; while :; do sleep 0.05; done";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    service.wait_for(|| fs::exists(service.tmpdir().join("only")).is_ok_and(|is| is))?;
    let error = error_of(service.stopped().map(drop));
    assert_eq!(error.kind(), ErrorKind::ProcessFinishedWithError);
    assert!(service.running(), "a new process");
    Ok(())
}
