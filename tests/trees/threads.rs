//! Starts and stops from many threads, and during a panic.

use std::{
    fs,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::Hold;
use nix::sys::{
    pthread::{Pthread, pthread_kill, pthread_self},
    signal::Signal,
};
use nix::unistd::gettid;

use crate::{PROGRAM, processes::Process};

const THREADS: usize = 32;

fn holds(hold: &Hold) -> OutputExecutor {
    OutputExecutor::new(hold.command(&[PROGRAM, "holds", "1"]), "holding")
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
                assert!(!hold.is_free(), "the tree is running");
                together.wait();
                service.stop().expect("it ends as asked");
                assert!(hold.is_free(), "a process of the tree is left");
            });
        }
    });
}

#[test]
fn one_executor_started_from_many_threads_spawns_one_process() {
    // The script appends a line for every process that is spawned.
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
fn many_threads_that_start_and_stop_one_executor_leave_nothing() {
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
fn a_tree_is_gone_when_the_thread_that_panicked_has_ended() {
    let hold = Hold::new();
    let (directory, supervisor) = thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        let hold = &hold;
        let panicked = scope.spawn(move || {
            let service = holds(hold)
                .env("SCRATCH", "{tmpdir}")
                .started()
                .expect("it starts");
            let supervisor = Process::supervisor_of(&service);
            let reported = send.send((service.tmpdir(), supervisor));
            reported.expect("it listens");
            // Unlike `panic!`, this prints nothing, so the output of the test stays readable.
            std::panic::resume_unwind(Box::new("as planned"));
        });
        panicked.join().expect_err("it panicked");
        receive.recv().expect("it reported")
    });
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(!directory.exists(), "its directory is left");
    assert!(supervisor.was_reaped(), "its supervisor is left");
}

/// `running` polls the socket for messages. A signal that interrupts the poll must not count as a message: the call
/// would then wait for the reading thread, which has nothing to report.
#[test]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a number or a pointer, no longer than a usize"
)]
fn a_signal_does_not_delay_running() {
    const CALLS: u32 = 2000;
    /// Each call that waits for the reading thread takes a second.
    const BOUND: Duration = Duration::from_secs(20);

    let noted = Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, noted).expect("a handler");
    let service = OutputExecutor::new("echo up; exec sleep 1000", "up").shell(true);
    service.start().expect("it starts");
    let (send_caller, caller) = mpsc::channel();
    thread::scope(|scope| {
        let service = &service;
        let (send_reader, reader) = mpsc::channel();
        scope.spawn(move || {
            send_reader.send(gettid()).expect("the test receives it");
            service.output().wait_for("a line that it never prints")
        });
        let reader = reader.recv().expect("the thread sends it");
        let stat = format!("/proc/self/task/{reader}/stat");
        while !fs::read_to_string(&stat)
            .expect("the thread waits")
            .contains(") S ")
        {
            thread::yield_now();
        }
        let calls = scope.spawn(move || {
            // The handle is a number in one C library, and a pointer in another.
            send_caller
                .send(pthread_self() as usize)
                .expect("the test receives it");
            let begun = Instant::now();
            let all = (0..CALLS).all(|_| service.running() && begun.elapsed() < BOUND);
            (all, begun.elapsed())
        });
        let caller = caller.recv().expect("the thread sends it");
        while !calls.is_finished() {
            pthread_kill(caller as Pthread, Signal::SIGUSR1).expect("it is not joined yet");
            thread::yield_now();
        }
        let (all, took) = calls.join().expect("no panic");
        service.stop().expect("it ends as asked");
        assert!(all, "{took:?}");
    });
}
