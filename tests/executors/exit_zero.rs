//! An exit with 0 before it is ready is tolerated: it may have daemonized.

use std::{net::TcpStream, time::Duration};

use mirakuru::{ErrorKind, OutputExecutor, Result, TcpExecutor};
use mirakuru_tests::{
    hold::Hold,
    told::{assert_told, error_of},
};

use crate::PROGRAM;

#[test]
fn the_daemon_that_it_left_is_waited_for_and_stopped() -> Result<()> {
    let hold = Hold::new();
    let command = hold.script(&format!("'{PROGRAM}' listens_late {{port}} 300 & exit 0"));
    let service = TcpExecutor::new(command, "127.0.0.1", 0)
        .shell(true)
        .started()?;
    TcpStream::connect(service.addr()).expect("the daemon is ready");
    service.wait_for(|| service.exit_code() == Some(0))?;
    assert!(!service.running());
    service.stop()?;
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn the_error_at_the_timeout_says_so_and_that_nothing_was_left() {
    let executor =
        OutputExecutor::new([PROGRAM, "exits", "0"], "ready").timeout(Duration::from_secs(1));
    let error = error_of(executor.start());
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::TimeoutExpired, Some(0))
    );
    assert_told(
        &error,
        &[
            "`programs exits 0` did not get there in time",
            "  waited for:  a line of its output that matches \"ready\"",
            "  how long:    TIME",
            "  last check:  no line matched",
            "  process:     exited with code 0",
            "  note:        the exit with 0 is tolerated, as it may have daemonized; nothing of its tree was left",
            "  help:        it printed nothing: many programs buffer their output when it is no terminal; try `stdbuf -oL PROGRAM`, or PYTHONUNBUFFERED=1 for Python",
        ],
    );
}

#[test]
fn the_error_at_the_timeout_says_so_and_that_others_were_left() {
    let command = format!("'{PROGRAM}' prints child & exit 0");
    let executor = TcpExecutor::new(command, "127.0.0.1", 0).shell(true);
    let error = error_of(executor.timeout(Duration::from_secs(1)).start());
    assert_eq!(error.exit_code(), Some(0));
    let text = error.to_string();
    let note = "\n  note:        the exit with 0 is tolerated, as it may have daemonized; others of its tree were still running\n";
    assert!(text.contains(note), "{text}");
}
