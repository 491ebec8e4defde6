//! Starts and stops from many threads, while panicking, and inside async runtimes.

use std::{fs, sync::Barrier, thread};

use mirakuru::OutputExecutor;

use crate::{
    hold::Hold,
    processes::{Process, parent_of},
};

const THREADS: usize = 32;

fn holds(hold: &Hold) -> OutputExecutor {
    OutputExecutor::new([env!("CARGO_BIN_EXE_holds"), hold.path(), "1"], "holding")
}

#[test]
fn executors_start_and_stop_from_many_threads_at_once() {
    let holds_of: Vec<_> = (0..THREADS).map(|_| Hold::new()).collect();
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for hold in &holds_of {
            scope.spawn(|| {
                let service = holds(hold);
                together.wait();
                service.start().expect("it starts");
                assert!(!hold.is_free(), "the tree lives");
                together.wait();
                service.stop().expect("it ends as asked");
                assert!(hold.is_free(), "a process of the tree is left");
            });
        }
    });
}

#[test]
fn one_executor_started_from_many_threads_spawns_one_process() {
    // A line for every process that was spawned.
    let script = "echo started >> '{tmpdir}/starts'; echo up; exec sleep 1000";
    let service = OutputExecutor::new(script, "up").shell(true);
    let together = Barrier::new(THREADS);
    let pids = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    service.start().expect("it starts").pid()
                })
            })
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        joined.collect::<Vec<_>>()
    });
    assert!(
        pids.iter().all(|pid| pid.is_some() && *pid == pids[0]),
        "{pids:?}"
    );
    let starts = fs::read_to_string(service.tmpdir().join("starts")).expect("text");
    assert_eq!(starts, "started\n");
}

#[test]
fn starts_and_stops_of_one_executor_by_many_threads_leave_nothing() {
    let hold = Hold::new();
    let service = holds(&hold);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    service.start().expect("it starts");
                    service.kill().expect("nothing is left");
                }
            });
        }
    });
    assert!(hold.is_free(), "a process of a tree is left");
    assert!(!service.running());
}

#[test]
fn a_tree_is_gone_when_the_thread_that_panicked_with_it_has_ended() {
    let hold = Hold::new();
    let (directory, supervisor) = thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        let hold = &hold;
        let panicked = scope.spawn(move || {
            let service = holds(hold)
                .env("SCRATCH", "{tmpdir}")
                .started()
                .expect("it starts");
            let supervisor = Process::open(parent_of(service.pid().expect("it runs")));
            send.send((service.tmpdir(), supervisor.expect("it lives")))
                .expect("it listens");
            // Silent, unlike `panic!`: the test's output stays readable.
            std::panic::resume_unwind(Box::new("as planned"));
        });
        panicked.join().expect_err("it panicked");
        receive.recv().expect("it told")
    });
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(!directory.exists(), "its directory is left");
    assert!(supervisor.was_reaped(), "its supervisor is left");
}

#[test]
fn a_service_that_ignores_the_stop_is_killed_at_once_by_a_panic() {
    let hold = Hold::new();
    let script = format!(
        "trap '' TERM; exec '{}' '{}'",
        env!("CARGO_BIN_EXE_holds"),
        hold.path()
    );
    let service = OutputExecutor::new(script, "holding").shell(true);
    let service = service.started().expect("it starts");
    let begin = std::time::Instant::now();
    let panicked = thread::spawn(move || {
        let _service = service;
        std::panic::resume_unwind(Box::new("as planned"));
    });
    panicked.join().expect_err("it panicked");
    assert!(hold.is_free(), "a process of the tree is left");
    // The stop timeout is ten seconds.
    assert!(begin.elapsed().as_secs() < 8, "it was asked first");
}

#[tokio::test]
async fn starts_and_stops_inside_a_runtime_of_one_thread() {
    start_and_stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_stops_inside_a_runtime_of_many_threads() {
    tokio::spawn(start_and_stop()).await.expect("no panic");
    start_and_stop().await;
}

/// Every kind whose check might mind a runtime: the HTTP client has one of its own.
async fn start_and_stop() {
    let hold = Hold::new();
    let service = holds(&hold).started().expect("it starts");
    let web = mirakuru::HttpExecutor::new(
        [env!("CARGO_BIN_EXE_http_service"), "{port}"],
        "http://127.0.0.1:{port}/",
    );
    web.start().expect("it starts");
    tokio::task::yield_now().await;
    service.stop().expect("it ends as asked");
    web.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
    drop(service.started().expect("it starts again"));
    assert!(hold.is_free(), "a process of the tree is left");
}
