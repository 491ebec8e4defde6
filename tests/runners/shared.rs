//! One start for the run.

use std::{os::unix::process::CommandExt, thread};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::run::{Run, Running, passes};

const TESTS: usize = 16;

#[test]
fn the_processes_of_a_nextest_run_share_one() {
    let run = Run::new();
    passes(run.nextest("uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn so_they_do_without_double_spawning_and_one_at_a_time() {
    let run = Run::new();
    let mut nextest = run.nextest("uses_it");
    nextest.env("NEXTEST_DOUBLE_SPAWN", "0").arg("-j1");
    passes(nextest);
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn the_binaries_of_one_cargo_test_share_one() {
    let run = Run::new();
    passes(run.cargo_test("uses_it"));
    assert_eq!((run.starts(), run.uses()), (1, (TESTS, 1)));
    assert!(run.is_gone());
}

#[test]
fn two_runs_side_by_side_have_one_each() {
    let run = Run::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| passes(run.nextest("uses_it")));
        }
    });
    assert_eq!((run.starts(), run.uses()), (2, (2 * TESTS, 2)));
    assert!(run.is_gone());
}

#[test]
fn each_partition_is_a_run_of_its_own() {
    let run = Run::new();
    for part in ["count:1/2", "count:2/2"] {
        let mut nextest = run.nextest("uses_it");
        nextest.args(["--partition", part]);
        passes(nextest);
    }
    assert_eq!((run.starts(), run.uses()), (2, (TESTS, 2)));
    assert!(run.is_gone());
}

#[test]
fn a_restart_is_one_for_everyone() {
    let run = Run::new();
    passes(run.nextest("/restarts|uses_it/"));
    // Six restarts: three in each of the two binaries.
    assert_eq!(run.starts(), 7);
    assert!(run.is_gone());
}

#[test]
fn a_test_that_is_killed_does_no_harm_to_the_others() {
    let run = Run::new();
    let mut nextest = run.nextest_with("kills", "/hangs|uses_it/");
    let output = nextest.output().expect("nextest");
    assert!(!output.status.success(), "two of them hang");
    assert_eq!((run.starts(), run.uses()), (1, (TESTS + 2, 1)));
    assert!(run.is_gone());
}

fn gone_after(signal: Signal) {
    let run = Run::new();
    let mut nextest = run.nextest("hangs");
    // A group of its own, as a shell gives to a job.
    let child = nextest.process_group(0).spawn().expect("nextest");
    let mut running = Running(child);
    while run.uses().0 == 0 {
        let ended = running.0.try_wait().expect("a child");
        assert!(ended.is_none(), "the runner ended before its tests came");
        thread::yield_now();
    }
    assert!(run.is_in_use());
    let group = Pid::from_raw(running.0.id().try_into().expect("a pid"));
    killpg(group, signal).expect("it lives");
    drop(running);
    assert!(run.is_gone());
}

#[test]
fn it_is_gone_after_ctrl_c() {
    gone_after(Signal::SIGINT);
}

#[test]
fn it_is_gone_after_the_runner_was_killed() {
    gone_after(Signal::SIGKILL);
}

#[test]
fn each_test_has_a_slot() {
    let run = Run::new();
    passes(run.nextest("has_a_slot"));
    passes(run.cargo_test("has_a_slot"));
    assert_eq!(run.slots().len(), 4);
}
