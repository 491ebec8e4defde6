//! A log file: mirakuru searches its text since the start for a banner, and shows it in errors.

use std::{fs, path::Path, time::Duration};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor, TcpExecutor, readiness::Stream};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
};
use tempfile::TempDir;

const LATER: Duration = Duration::from_secs(60);

/// Returns a service that is ready when its log holds the line `ready`. Only a change of the file triggers the check.
fn logs(script: &str, log: &str) -> OutputExecutor {
    OutputExecutor::new(script, "^ready$")
        .shell(true)
        .log_file(log)
        .stream(Stream::File)
        .poll_interval(LATER)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn path_in(directory: &TempDir) -> String {
    let path = directory.path().join("log");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_line_in_a_log_file_made_later_is_found() -> Result<()> {
    let script = "sleep 0.2; echo starting > {tmpdir}/log; sleep 0.2; echo ready >> {tmpdir}/log; exec sleep 60";
    at_once(|| logs(script, "{tmpdir}/log").started()).map(drop)
}

#[test]
fn a_group_of_a_banner_in_a_file_is_captured() -> Result<()> {
    let script = "echo listening on 4711 > {tmpdir}/log; exec sleep 60";
    let service = OutputExecutor::new(script, r"on (?<port>\d+)")
        .shell(true)
        .log_file("{tmpdir}/log")
        .stream(Stream::File)
        .started()?;
    assert_eq!(service.port(), 4711);
    Ok(())
}

#[test]
fn text_of_earlier_starts_is_ignored() {
    let directory = directory();
    let log = path_in(&directory);
    fs::write(&log, "ready\n").expect("own directory");
    let script = format!("touch {log}; echo starting >> {log}; exec sleep 60");
    let error = error_of(logs(&script, &log).timeout(Duration::from_secs(2)).start());
    assert_error_text(
        &error,
        &[
            format!("`{script}` was not ready in time"),
            format!("  waited for:  a line of its log file {log} that matches \"^ready$\""),
            "  how long:    TIME".to_owned(),
            "  last check:  no line matched".to_owned(),
            "  process:     was running with pid PID".to_owned(),
            format!("  log file {log}, last lines:"),
            "    | starting".to_owned(),
        ],
    );
    assert_eq!(error.output_tail(), "starting");
}

#[test]
fn a_restart_that_writes_the_same_text_again_is_ready() -> Result<()> {
    let script = "echo ready > {tmpdir}/log; exec sleep 60";
    let service = logs(script, "{tmpdir}/log").poll_interval(Duration::from_millis(5));
    service.start()?;
    for _ in 0..3 {
        at_once(|| service.restart().map(drop))?;
    }
    Ok(())
}

#[test]
fn a_log_can_be_rotated_and_truncated_before_the_banner() -> Result<()> {
    let directory = directory();
    let log = path_in(&directory);
    fs::write(&log, "an earlier start was ready\n".repeat(9)).expect("own directory");
    let script = format!(
        "cd {}; echo one >> log; mv log log.1; echo two > log; sleep 0.1; : > log; sleep 0.1; echo ready >> log; exec sleep 60",
        directory.path().display()
    );
    at_once(|| logs(&script, &log).started()).map(drop)
}

#[test]
fn a_relative_path_starts_from_the_directory_of_the_test() {
    let log = "there-is-none/log";
    let script = "exec sleep 60";
    let error = error_of(
        logs(script, log)
            .cwd("/")
            .timeout(Duration::from_secs(2))
            .start(),
    );
    let path = std::env::current_dir().expect("it exists").join(log);
    let note = format!("note:        its log file {}: No such file", path.display());
    let text = error.to_string();
    assert!(text.contains(&note), "{text}");
    assert!(text.contains("last check:  No such file"), "{text}");
    assert!(!text.contains("stdbuf"), "{text}");
}

#[test]
fn errors_of_every_kind_show_the_last_lines_of_the_log() {
    let directory = directory();
    let log = path_in(&directory);
    let fails = format!("echo the disk is full >> {log}; exit 3");
    let ended = SimpleExecutor::new(fails.as_str())
        .shell(true)
        .log_file(&log);
    let shown = format!("  log file {log}, last lines:\n    | the disk is full");
    ended.start().expect("it is spawned");
    let gone = ended.wait_for(|| false);
    assert!(error_of(gone).to_string().contains(&shown));
    let waited = ended.output().wait_for("more");
    assert!(error_of(waited).to_string().contains(&shown));
    assert!(error_of(ended.stop()).to_string().contains(&shown));
    let waits = format!("echo the disk is full >> {log}; exec sleep 60");
    let waits = TcpExecutor::new(waits, "127.0.0.1", 0).shell(true);
    let waits = waits.log_file(&log).timeout(Duration::from_secs(2));
    let error = error_of(waits.start());
    assert!(error.to_string().contains(&shown), "{error}");
}

#[test]
fn a_banner_in_a_file_needs_the_path_of_the_file() {
    let executor = OutputExecutor::new("sleep 60", "ready").stream(Stream::File);
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("set `log_file`"), "{error}");
    let error = error_of(executor.log_file("").start());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let error = error_of(SimpleExecutor::new("x").log_file("{prot}").start());
    assert!(
        error.to_string().contains("unknown placeholder {prot}"),
        "{error}"
    );
}

#[test]
fn only_a_regular_file_is_read_as_a_log() {
    let pipe = Path::new("/dev/zero");
    let executor = logs("exec sleep 60", "/dev/zero").timeout(Duration::from_secs(2));
    let text = error_of(executor.start()).to_string();
    let note = format!("its log file {}: it is not a regular file", pipe.display());
    assert!(text.contains(&note), "{text}");
}
