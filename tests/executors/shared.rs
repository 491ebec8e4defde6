//! A fixture that the tests of one process share.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Barrier, LazyLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OutputExecutor, Result, Shared, Signal, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{bounds::comes_to_an_end, error_text::error_of};
use tempfile::TempDir;

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

fn ready() -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "prints", "ready"], "ready")
}

#[test]
fn threads_get_the_same_fixture_at_the_same_time() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let all = Barrier::new(8);
    let pids: BTreeSet<_> = thread::scope(|scope| {
        let ask = || {
            all.wait();
            FIXTURE.get().expect("it starts").pid()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        let pids = threads.into_iter().map(thread::ScopedJoinHandle::join);
        pids.map(|pid| pid.expect("no panic")).collect()
    });
    assert_eq!(pids.len(), 1);
    // The thread that started the fixture has ended.
    assert_eq!(pids.first(), Some(&FIXTURE.pid()));
    assert!(FIXTURE.running());
}

#[test]
fn no_thread_gets_the_fixture_before_it_is_ready() {
    static GATE: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("room"));
    static FIXTURE: Shared<OutputExecutor> = Shared::new(|| {
        let script = format!(
            "cd {}; touch begun; until [ -e open ]; do sleep 0.01; done; echo ready; exec sleep 60",
            GATE.path().display()
        );
        OutputExecutor::new(["sh", "-c", &script], "ready")
    });
    let gate = GATE.path();
    thread::scope(|scope| {
        let get = || FIXTURE.get().expect("it starts").output().text();
        let first = scope.spawn(get);
        while !gate.join("begun").exists() {
            thread::yield_now();
        }
        let (asks, about_to_ask) = mpsc::channel();
        let second = scope.spawn(move || {
            asks.send(()).expect("the receiver waits");
            get()
        });
        about_to_ask.recv().expect("the thread runs");
        for _ in 0..1000 {
            assert!(!second.is_finished(), "it is not ready yet");
            thread::yield_now();
        }
        fs::write(gate.join("open"), "").expect("own directory");
        for thread in [first, second] {
            assert_eq!(thread.join().expect("no panic"), "ready\n");
        }
    });
}

#[test]
fn a_fixture_that_died_is_started_by_the_next_get() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let fixture = FIXTURE.get().expect("it starts");
    let first = fixture.pid().expect("it runs");
    fixture.signal(Signal::KILL).expect("it runs");
    fixture.wait_for(|| !fixture.running()).expect("it dies");
    let again = FIXTURE.get().expect("it starts again").pid();
    assert_ne!(again.expect("it runs"), first);
}

#[test]
fn a_start_that_fails_is_tried_three_times() {
    static FIXTURE: Shared<OutputExecutor> =
        Shared::new(|| OutputExecutor::new([PROGRAM, "exits", "1"], "ready"));
    for _ in 0..3 {
        let reported = error_of(FIXTURE.get()).to_string();
        assert!(reported.contains("ended before it was ready"), "{reported}");
    }
    let reported = error_of(FIXTURE.get()).to_string();
    assert!(
        reported.contains("was not started again: 3 earlier starts failed"),
        "{reported}"
    );
}

#[test]
fn a_queue_for_a_port_that_times_out_is_a_failed_start() {
    static PORT: LazyLock<u16> = LazyLock::new(|| SimpleExecutor::new("x {port}").port());
    static FIXTURE: Shared<TcpExecutor> = Shared::new(listens);
    fn listens() -> TcpExecutor {
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", *PORT)
    }
    if !is_alone() {
        let test = "shared::a_queue_for_a_port_that_times_out_is_a_failed_start";
        alone(test, "", |command| {
            command.env("MIRAKURU_QUEUE_TIMEOUT", "1");
        });
        return;
    }
    let holder = listens().started().expect("the port is free");
    // A thread that has the port itself would not wait.
    let asks = thread::spawn(|| [(); 4].map(|()| error_of(FIXTURE.get()).to_string()));
    let reported = asks.join().expect("no panic");
    for reported in &reported[..3] {
        assert!(
            reported.contains("its port did not become free"),
            "{reported}"
        );
    }
    assert!(
        reported[3].contains("3 earlier starts failed"),
        "{reported:?}"
    );
    holder.stop().expect("it stops");
}

#[test]
fn a_mistake_in_a_pair_is_reported_by_every_get() {
    static PAIR: Shared<[OutputExecutor; 2]> = Shared::new(|| {
        [
            ready(),
            OutputExecutor::new([PROGRAM, "prints", "ready"], "("),
        ]
    });
    for _ in 0..4 {
        let error = error_of(PAIR.get());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    }
}

#[test]
fn one_thread_at_a_time_holds_the_lock() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    static USERS: AtomicU32 = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let fixture = FIXTURE.lock().expect("it exists");
                assert_eq!(USERS.fetch_add(1, Ordering::SeqCst), 0);
                assert!(
                    fixture.running(),
                    "it runs again after the last thread killed it"
                );
                fixture.kill().expect("it runs");
                assert_eq!(USERS.fetch_sub(1, Ordering::SeqCst), 1);
            });
        }
    });
}

#[test]
fn a_second_lock_by_one_thread_fails_at_once() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let guard = FIXTURE.lock().expect("it exists");
    let error = error_of(FIXTURE.lock().map(drop)).to_string();
    assert!(
        error.contains("this thread holds the lock already"),
        "{error}"
    );
    drop(guard);
    FIXTURE.lock().map(drop).expect("the lock is free");
}

#[test]
fn a_lock_after_a_stop_by_the_same_thread_is_an_error() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let outage = FIXTURE.stopped().expect("it stops");
    let error = error_of(FIXTURE.lock().map(drop)).to_string();
    assert!(
        error.contains("take the lock first, then stop the service"),
        "{error}"
    );
    outage.restart().expect("it starts again");
    FIXTURE.lock().map(drop).expect("the lock is free");
}

#[test]
fn a_thread_that_panics_releases_the_lock() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let panics = thread::spawn(|| {
        let _guard = FIXTURE.lock().expect("it exists");
        panic!("expected by the test");
    });
    assert!(panics.join().is_err());
    FIXTURE.lock().map(drop).expect("the lock is free");
}

#[test]
fn get_does_not_end_an_outage_of_the_same_thread() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let first = FIXTURE.pid();
    let outage = FIXTURE.stopped().expect("it stops");
    assert!(!FIXTURE.running(), "this thread stopped it");
    assert!(!FIXTURE.get().expect("the fixture exists").running());
    outage.restart().expect("it starts again");
    assert!(FIXTURE.running());
    assert_ne!(FIXTURE.pid(), first);
}

/// The thread that made the outage may stop the service again.
#[test]
fn other_threads_wait_although_the_service_runs_in_an_outage() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let outage = FIXTURE.stopped().expect("it stops");
    assert!(FIXTURE.start().expect("it starts").running());
    let (begun, begins) = mpsc::channel();
    let waits = thread::spawn(move || {
        begun.send(()).expect("the receiver waits");
        FIXTURE.get().expect("it runs").pid()
    });
    begins.recv().expect("the thread runs");
    for _ in 0..1000 {
        assert!(!waits.is_finished(), "the outage has not ended");
        thread::yield_now();
    }
    drop(outage);
    assert_eq!(waits.join().expect("no panic"), FIXTURE.pid());
}

#[test]
fn other_threads_wait_for_the_end_of_an_outage() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let outage = FIXTURE.stopped().expect("it stops");
    let (begun, begins) = mpsc::channel();
    let waits = thread::spawn(move || {
        begun.send(()).expect("the receiver waits");
        FIXTURE.get().expect("it is started again").pid()
    });
    begins.recv().expect("the thread runs");
    for _ in 0..1000 {
        assert!(!FIXTURE.running(), "no other thread starts it");
        thread::yield_now();
    }
    drop(outage);
    assert_eq!(waits.join().expect("no panic"), FIXTURE.pid());
}

/// Returns a service that ends after the stop signal, once the gate is open.
fn ends_late() -> OutputExecutor {
    let script = "trap 'touch {tmpdir}/asked; until [ -e {tmpdir}/open ]; do sleep 0.01; done; exit 0' TERM; \
        echo ready; while :; do sleep 0.01; done";
    OutputExecutor::new(["sh", "-c", script], "ready").stop_timeout(Duration::from_secs(120))
}

fn assert_get_waits_during(
    fixture: &'static Shared<OutputExecutor>,
    down: fn(&OutputExecutor) -> Result<()>,
) {
    let service = fixture.get().expect("it starts");
    let (former, gate) = (service.pid(), service.tmpdir());
    thread::scope(|scope| {
        let leaves = scope.spawn(|| down(service));
        while !gate.join("asked").exists() {
            thread::yield_now();
        }
        let (asks, about_to_ask) = mpsc::channel();
        let gets = scope.spawn(move || {
            asks.send(()).expect("the receiver waits");
            fixture.get().expect("it is started again").pid()
        });
        about_to_ask.recv().expect("the thread runs");
        for _ in 0..1000 {
            assert!(!gets.is_finished(), "the service has not ended yet");
            thread::yield_now();
        }
        fs::write(gate.join("open"), "").expect("own directory");
        leaves.join().expect("no panic").expect("it ends");
        let pid = gets.join().expect("no panic");
        assert!(pid != former && pid == fixture.pid());
    });
}

#[test]
fn no_thread_gets_a_fixture_during_a_restart() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ends_late);
    assert_get_waits_during(&FIXTURE, |service| service.restart().map(drop));
}

#[test]
fn no_thread_gets_a_fixture_during_a_stop() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ends_late);
    assert_get_waits_during(&FIXTURE, |service| service.stop().map(drop));
}

#[test]
fn a_fixture_starts_again_after_a_panic_in_an_outage() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let panics = thread::spawn(|| {
        let _outage = FIXTURE.stopped().expect("it stops");
        panic!("expected by the test");
    });
    assert!(panics.join().is_err());
    assert!(FIXTURE.get().expect("it starts").running());
}

#[test]
fn an_inner_outage_ends_with_the_outer_one() {
    let service = ready().started().expect("it starts");
    let outer = service.stopped().expect("it stops");
    let inner = service.stopped().expect("it is stopped");
    drop(inner);
    outer.restart().expect("it runs");
    assert!(service.running());
}

#[test]
fn a_fixture_that_needs_itself_fails_and_does_not_hang() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(|| {
        let own = FIXTURE.get().expect("it cannot be there yet");
        OutputExecutor::new([PROGRAM, "prints", &own.addr()], "ready")
    });
    for _ in 0..2 {
        let asked = comes_to_an_end(|| std::panic::catch_unwind(|| FIXTURE.get().map(drop)));
        let panic = asked.expect_err("it needs itself");
        assert_eq!(
            panic.downcast_ref::<&str>(),
            Some(&"the closure that makes a shared fixture must not use that fixture")
        );
    }
}
