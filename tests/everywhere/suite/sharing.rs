//! Tests fixtures that threads share, and fixtures that the processes of a run share.

use std::{
    process::{Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use mirakuru::{OutputExecutor, Shared};
use mirakuru_everywhere::{life::Life, program};

use crate::{NOW, waits};

static LIFE: LazyLock<Life> = LazyLock::new(Life::new);
static SERVICE: Shared<OutputExecutor> = Shared::new(|| waits(&[&LIFE.step()]));

#[test]
fn threads_share_one_start() {
    let pid = || SERVICE.get().expect("it starts").pid();
    let pids = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(pid));
        threads.map(|thread| thread.join().expect("no panic"))
    });
    assert_eq!(pids, [Some(LIFE.wait_for(1)[0]); 4]);
    assert_eq!(LIFE.counts(), (1, 1));
}

static LOCKED: Shared<OutputExecutor> = Shared::new(|| waits(&[]));

#[test]
fn a_lock_is_held_by_one_thread_at_a_time() {
    let inside = AtomicUsize::new(0);
    let restarts = || {
        let service = LOCKED.lock().expect("it starts");
        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
        service.restart().expect("it starts again");
        inside.fetch_sub(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(restarts);
        }
    });
    assert!(LOCKED.get().expect("it is there").running());
}

static PAIR: Shared<[OutputExecutor; 2]> = Shared::new(|| {
    [("first", "second"), ("second", "first")]
        .map(|(own, peer)| waits(&[&format!("say={{port}} {{{peer}.port}}")]).name(own))
});

#[test]
fn the_members_of_a_fixture_know_each_others_ports() {
    let [first, second] = PAIR.get().expect("they start");
    let ports = [first.port(), second.port()];
    let lines = [first, second].map(|member| member.output().text());
    assert_eq!(lines[0], format!("{} {}\nready\n", ports[0], ports[1]));
    assert_eq!(lines[1], format!("{} {}\nready\n", ports[1], ports[0]));
}

/// Returns what a program printed. Fails unless the program succeeds.
#[track_caller]
fn printed(command: &mut Command) -> (String, String) {
    let command = command.stdin(Stdio::null()).env_remove("NEXTEST_RUN_ID");
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{status}: {stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn the_test_processes_of_a_run_share_one_service() {
    let life = Life::new();
    let mut runner = Command::new(program("everywhere-nextest"));
    runner.arg(program("everywhere-test-process"));
    let (stdout, stderr) = printed(runner.args(["in-a-run", &life.address()]));
    let mut pids = stdout.lines();
    let (first, second) = (pids.next(), pids.next());
    assert!(first.is_some() && first == second, "{stdout}{stderr}");
    life.all_gone_within(NOW);
    assert_eq!(life.counts().0, 1, "one start");
}

#[test]
fn outside_a_run_a_test_process_has_a_service_of_its_own() {
    let life = Life::new();
    let mut test = Command::new(program("everywhere-test-process"));
    let (stdout, stderr) = printed(test.args(["in-a-run", &life.address()]));
    assert_eq!(stdout, format!("pid {}\n", life.wait_for(1)[0]));
    let notes = stderr
        .matches("\"of the run\" belongs to this process alone")
        .count();
    assert_eq!(notes, 1, "{stderr}");
    life.all_gone_within(NOW);
}
