//! The end of a run's shared service. It ends with the runner, releases its port, and leaves nothing.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mirakuru::SimpleExecutor;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    PROGRAM, TEST_PROCESS,
    run::{Run, Running, passes},
};

fn assert_gone_after(signal: Signal) {
    let run = Run::new();
    let mut nextest = run.nextest("hangs");
    // The runner has a process group of its own, like a job of a shell.
    let child = nextest.process_group(0).spawn().expect("nextest");
    let mut running = Running(child);
    while run.uses().0 == 0 {
        let ended = running.0.try_wait().expect("a child");
        assert!(ended.is_none(), "the runner ended before its tests began");
        thread::yield_now();
    }
    assert!(run.is_in_use());
    let group = Pid::from_raw(running.0.id().try_into().expect("a pid"));
    killpg(group, signal).expect("it lives");
    drop(running);
    assert!(run.is_gone());
}

#[test]
fn the_service_is_gone_after_ctrl_c() {
    assert_gone_after(Signal::SIGINT);
}

#[test]
fn the_service_is_gone_after_the_runner_was_killed() {
    assert_gone_after(Signal::SIGKILL);
}

/// Returns a port that the kernel does not assign to connections.
fn fixed_port() -> String {
    SimpleExecutor::new("x {port}").port().to_string()
}

#[test]
fn the_next_run_waits_for_the_port_of_the_previous_run() {
    let run = Run::new();
    let port = fixed_port();
    for _ in 0..2 {
        let mut nextest = run.nextest("has_the_fixed_port");
        nextest.env("PORT", &port);
        passes(nextest);
    }
    assert_eq!(run.starts(), 2);
}

#[test]
fn a_run_keeps_the_port_until_a_test_stops_the_service() {
    let run = Run::new();
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    // One test at a time, so that each finds the service stopped.
    let mut nextest = run.nextest("port_of_");
    nextest.env("PORT", fixed_port()).env("TMPDIR", &temporary);
    nextest.arg("-j1");
    passes(nextest);
    assert_nothing_left_in(&temporary);
}

/// The port of a fixture counts as a port of each test of the run.
#[test]
fn a_deadlock_with_a_fixture_of_the_run_is_noticed() {
    let run = Run::new();
    let two = ["x {port}", "y {port}"].map(SimpleExecutor::new);
    let mut ports = two.each_ref().map(SimpleExecutor::port);
    ports.sort_unstable();
    drop(two);
    let [low, high] = ports.map(|port| port.to_string());
    let mut nextest = run.nextest("queue_in_a_deadlock");
    nextest.env("LOW_PORT", &low).env("PORT", &high);
    nextest.env("MIRAKURU_QUEUE_TIMEOUT", "30");
    let mut running = Running(nextest.spawn().expect("nextest"));
    while !run.path("high").exists() {
        let ended = running.0.try_wait().expect("a child");
        assert!(ended.is_none(), "the run ended before its fixture started");
        thread::yield_now();
    }
    let mut other = Command::new(TEST_PROCESS);
    other.args(["holds_port", "wait"]);
    for port in [&low, &high] {
        other.args([port, &format!("exec {PROGRAM} listens_late {port}")]);
    }
    other.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut other = Running(other.spawn().expect("a test process"));
    let lines = BufReader::new(other.0.stdout.take().expect("piped"));
    let mut lines = lines.lines().map(|line| line.expect("text"));
    assert_eq!(lines.next().as_deref(), Some("held"));
    fs::write(run.path("low"), "").expect("own directory");
    assert!(running.0.wait().expect("a child").success());
    assert_eq!(lines.next().as_deref(), Some("held"), "the run has ended");
    assert!(other.0.wait().expect("a child").success());
}

#[test]
fn a_fork_does_not_give_back_the_lock_of_its_parent() {
    let run = Run::new();
    let mut nextest = run.nextest("fork_that_drops");
    nextest.env("PORT", fixed_port());
    nextest.env("MIRAKURU_QUEUE_TIMEOUT", "1");
    passes(nextest);
}

#[test]
fn a_run_leaves_no_lock_and_no_directory() {
    let run = Run::new();
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    for filter in ["uses_it", "has_a_slot"] {
        let mut tests = run.cargo_test(filter);
        tests.env("TMPDIR", &temporary);
        passes(tests);
    }
    assert!(run.is_gone());
    assert_nothing_left_in(&temporary);
}

/// Waits until the supervisor has removed its last file. Only its parent can wait for its exit, so this polls the
/// directory.
fn assert_nothing_left_in(directory: &Path) {
    let ours = || {
        let entries = fs::read_dir(directory).expect("own directory");
        let names = entries.map(|entry| entry.expect("own directory").file_name());
        let ours = names.filter(|name| name.as_encoded_bytes().starts_with(b"mirakuru"));
        ours.collect::<Vec<_>>()
    };
    let begun = Instant::now();
    while !ours().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", ours());
        thread::yield_now();
    }
}
