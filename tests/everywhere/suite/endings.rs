//! Tests every way in which a test process can end.
//!
//! No process of its service is left, its directory is removed, and the next test gets the port. On some systems this
//! happens a moment after the end.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OnConflict, TcpExecutor};
use mirakuru_everywhere::{life::Life, processes::kill, service};
use serde_json::Value;

use crate::{NOW, assert_parts, error_of, ports::fixed_port, test_process::TestProcess, waits};

/// The two seconds that the supervisor gives the tree to end, and a margin.
const GRACE: Duration = Duration::from_secs(20);

/// Fails unless the tree is gone and a start gets the port.
#[track_caller]
fn leaves_nothing(life: &Life, process: &TestProcess, port: u16) {
    life.all_gone_within(GRACE);
    let next = TcpExecutor::new(service(&["listen={port}", "wait"]), "127.0.0.1", port);
    let next = next.on_conflict(OnConflict::Wait).started();
    let next = next.expect("the port is free");
    eventually("its directory is removed", || !process.tmpdir.exists());
    drop(next);
}

/// Polls for a state that no event reports.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < GRACE, "{what}: never");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[track_caller]
fn gone_after(ending: &str, code: Option<i32>) {
    let (life, port) = (Life::new(), fixed_port());
    let mut process = TestProcess::start(ending, &life, Some(port));
    let ended = process.ends();
    assert!(code.is_none() || ended == code, "{ended:?}");
    leaves_nothing(&life, &process, port);
}

#[test]
fn nothing_is_left_after_main_has_returned() {
    gone_after("returns", Some(0));
}

#[test]
fn nothing_is_left_after_a_panic() {
    gone_after("panics", Some(101));
}

#[test]
fn nothing_is_left_after_an_exit() {
    gone_after("exits", Some(3));
}

#[test]
fn nothing_is_left_after_an_abort() {
    gone_after("aborts", None);
}

#[test]
fn nothing_is_left_after_the_test_process_was_killed() {
    let (life, port) = (Life::new(), fixed_port());
    let mut process = TestProcess::start("returns", &life, Some(port));
    process.kill();
    leaves_nothing(&life, &process, port);
}

#[test]
fn a_killed_supervisor_is_reported_and_leaves_nothing() {
    let life = Life::new();
    let executor = waits(&[&life.step(), "parent", "tree=2"]);
    executor.start().expect("it starts");
    life.wait_for(3);
    let text = executor.output().text();
    let supervisor = text.lines().find_map(|line| line.strip_prefix("parent "));
    kill(supervisor.expect("its line").parse().expect("a pid"));
    // The end of the supervisor may be seen before that of the service.
    let _ = executor.wait_for(|| !executor.running());
    let error = error_of(executor.stop());
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_parts(
        &error.to_string(),
        &["was lost", "its supervisor was killed"],
    );
    life.all_gone_within(NOW);
    executor.start().expect("it starts again");
    drop(executor);
    life.all_gone_within(NOW);
}

#[test]
fn a_timeline_has_a_row_for_each_service() {
    let life = Life::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("new.json");
    // The test process writes the timeline, so this process needs no variable.
    let mut process = TestProcess::with("returns", &life, None, |command| {
        command.env("MIRAKURU_TRACE", &path);
    });
    process.ends();
    life.all_gone_within(GRACE);
    let text = || fs::read_to_string(&path).unwrap_or_default();
    eventually("the timeline is written", || text().contains("\"ready\""));
    let text = text();
    let events: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!((named("waiting"), named("ready")), (1, 1), "{text}");
    assert_parts(&text, &["everywhere-service"]);
}
