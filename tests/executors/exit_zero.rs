//! An exit with 0 before readiness is tolerated as long as another process can make the service ready: the service may
//! have daemonized.

use std::{net::TcpStream, sync::Arc, time::Duration};

use mirakuru::{
    Error, ErrorKind, Executor, OutputExecutor, Readiness, Result, Stream, TcpExecutor,
    readiness::{Exec, Http, Output, PidFile, Tcp, UnixSocket},
};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

#[test]
fn a_daemon_left_by_an_exit_with_0_is_waited_for() -> Result<()> {
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
fn a_start_does_nothing_while_a_daemon_runs() -> Result<()> {
    let script =
        format!("echo once >> {{tmpdir}}/starts; '{PROGRAM}' listens_late {{port}} 0 & exit 0");
    let service = TcpExecutor::new(script, "127.0.0.1", 0)
        .shell(true)
        .started()?;
    service.wait_for(|| service.exit_code() == Some(0))?;
    service.start()?;
    let starts = std::fs::read_to_string(service.tmpdir().join("starts"));
    assert_eq!(starts.expect("own directory"), "once\n");
    Ok(())
}

/// A timeout longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);

/// Returns the error of a start that fails at once because no remaining process can make the check pass.
#[track_caller]
fn fails_at_once<R: Readiness>(script: &str, check: R) -> Error {
    let executor = Executor::with_readiness(script, check)
        .shell(true)
        .timeout(LONG);
    let error = at_once(|| error_of(executor.start()));
    let outcome = (error.kind(), error.exit_code());
    assert_eq!(
        outcome,
        (ErrorKind::ProcessExitedWithError, Some(0)),
        "{error}"
    );
    error
}

#[test]
fn a_check_that_only_the_tree_can_satisfy_fails_at_once() {
    fails_at_once("exit 0", Output::new("ready"));
    fails_at_once("exit 0", Tcp::new("127.0.0.1", 0));
    fails_at_once("exit 0 # {port}", Tcp::new("localhost", 0));
    fails_at_once("exit 0", Http::new("http://[::1]:{port}/"));
    fails_at_once("exit 0", UnixSocket::new("{socket}"));
    fails_at_once("exit 0", Arc::new(Tcp::new("127.0.0.1", 0)));
    fails_at_once(
        "exit 0",
        Box::new(Output::new("ready")) as Box<dyn Readiness>,
    );
}

#[test]
fn the_error_shows_an_exit_with_0_that_left_no_process() {
    let error = fails_at_once("echo boot failed; exit 0", Output::new("ready"));
    assert_error_text(
        &error,
        &[
            "`echo boot failed; exit 0` ended before it was ready",
            "  waited for:  a line of its output that matches \"ready\"",
            "  how long:    TIME",
            "  last check:  no line matched",
            "  process:     exited with code 0",
            "  output, last lines:",
            "    | boot failed",
        ],
    );
}

#[test]
fn a_banner_fails_once_no_process_of_the_tree_can_print_it() {
    let script = "setsid sleep 100 >/dev/null 2>&1 & echo boot failed; exit 0";
    fails_at_once(script, Output::new("ready"));
    let script = "setsid sleep 100 >/dev/null & echo boot failed; exit 0";
    fails_at_once(script, Output::new("ready").stream(Stream::Stdout));
    let script = "(sleep 0.3; exec sleep 100 >/dev/null 2>&1) & exit 0";
    fails_at_once(script, Output::new("ready"));
}

#[test]
fn a_banner_that_a_daemon_prints_is_waited_for() -> Result<()> {
    let script = "(sleep 0.3; echo ready; exec sleep 100) & exit 0";
    let service = OutputExecutor::new(script, "ready")
        .shell(true)
        .timeout(LONG);
    service.start()?;
    service.wait_for(|| service.exit_code() == Some(0))?;
    Ok(())
}

#[test]
fn a_banner_before_the_exit_is_ready() -> Result<()> {
    // Reading this much takes longer than one look.
    let script = "seq 100000; echo ready";
    OutputExecutor::new(script, "ready")
        .shell(true)
        .timeout(LONG)
        .start()?;
    Ok(())
}

#[test]
fn a_combined_check_fails_once_it_cannot_pass() {
    let file = || PidFile::new("/no/such/file");
    let tcp = || Tcp::new("127.0.0.1", 0);
    fails_at_once("exit 0", tcp().and(file()));
    fails_at_once("exit 0", file().and(tcp()));
    fails_at_once("exit 0", tcp().or(Output::new("ready")));
    fails_at_once("exit 0", tcp().then(file()));
    fails_at_once("echo one; exit 0", Output::new("one").then(tcp()));
}

#[test]
fn a_banner_already_seen_does_not_fail_a_combined_check() -> Result<()> {
    let daemon = format!("setsid {PROGRAM} listens_late {{port}} 300 >/dev/null 2>&1");
    let script = format!("echo starting; {daemon} & exit 0");
    let check = Output::new("starting").and(Tcp::new("127.0.0.1", 0));
    let service = Executor::with_readiness(script, check).shell(true);
    service.timeout(LONG).start()?;
    Ok(())
}

#[test]
fn a_check_that_others_can_satisfy_is_waited_for() {
    let waits = |check: Box<dyn Readiness>| {
        let executor = Executor::with_readiness("echo one; exit 0", check).shell(true);
        let error = error_of(executor.timeout(Duration::from_secs(2)).start());
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
        let note = "exit code 0 alone is not a failure, as the service may have daemonized; no process of its tree was left";
        assert!(error.to_string().contains(note), "{error}");
    };
    let file = || PidFile::new("/no/such/file");
    waits(Box::new(file()));
    waits(Box::new(Exec::new("false")));
    waits(Box::new(Tcp::new("127.0.0.1", 0).any_listener()));
    waits(Box::new(
        Http::new("http://127.0.0.1:{port}/").any_listener(),
    ));
    waits(Box::new(UnixSocket::new("{socket}").any_listener()));
    waits(Box::new(Tcp::new("192.0.2.1", 9)));
    waits(Box::new(file().or(Output::new("ready"))));
    waits(Box::new(file().then(Output::new("ready"))));
    waits(Box::new(Output::new("one").then(file())));
}

#[test]
fn a_timeout_after_an_exit_with_0_reports_running_processes() {
    let command = format!("'{PROGRAM}' prints child & exit 0");
    let executor = TcpExecutor::new(command, "127.0.0.1", 0).shell(true);
    let error = error_of(executor.timeout(Duration::from_secs(2)).start());
    assert_eq!(error.exit_code(), Some(0));
    let text = error.to_string();
    let note = "\n  note:        exit code 0 alone is not a failure, as the service may have daemonized; other processes of its tree were still running\n";
    assert!(text.contains(note), "{text}");
}
