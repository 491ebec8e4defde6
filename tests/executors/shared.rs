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

use mirakuru::{OutputExecutor, Result, Shared, Signal};
use mirakuru_tests::{bounds::comes_to_an_end, error_text::error_of};
use tempfile::TempDir;

use crate::PROGRAM;

fn ready() -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "prints", "ready"], "ready")
}

#[test]
fn threads_that_ask_at_once_get_the_same_one() {
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
    // The thread that started it has ended.
    assert_eq!(pids.first(), Some(&FIXTURE.pid()));
    assert!(FIXTURE.running());
}

#[test]
fn nobody_gets_it_before_it_is_ready() {
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
            asks.send(()).expect("it is waited for");
            get()
        });
        about_to_ask.recv().expect("it begins");
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
fn one_that_died_is_started_again_by_the_next_that_asks() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let fixture = FIXTURE.get().expect("it starts");
    let first = fixture.pid().expect("it runs");
    fixture.signal(Signal::KILL).expect("it runs");
    fixture.wait_for(|| !fixture.running()).expect("it dies");
    let again = FIXTURE.get().expect("it starts again").pid();
    assert_ne!(again.expect("it runs"), first);
}

#[test]
fn a_start_that_fails_is_tried_three_times_in_all() {
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
fn one_thread_at_a_time_has_it_for_itself() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    static USERS: AtomicU32 = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let fixture = FIXTURE.lock().expect("it is there");
                assert_eq!(USERS.fetch_add(1, Ordering::SeqCst), 0);
                assert!(fixture.running(), "also after the one before killed it");
                fixture.kill().expect("it runs");
                assert_eq!(USERS.fetch_sub(1, Ordering::SeqCst), 1);
            });
        }
    });
}

#[test]
fn a_thread_that_asks_twice_is_told_at_once() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let guard = FIXTURE.lock().expect("it is there");
    let error = error_of(FIXTURE.lock().map(drop)).to_string();
    assert!(
        error.contains("this thread has the lock already"),
        "{error}"
    );
    drop(guard);
    FIXTURE.lock().map(drop).expect("it is given back");
}

#[test]
fn a_thread_that_panics_gives_it_back() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let panics = thread::spawn(|| {
        let _guard = FIXTURE.lock().expect("it is there");
        panic!("as it has to");
    });
    assert!(panics.join().is_err());
    FIXTURE.lock().map(drop).expect("it is given back");
}

#[test]
fn who_has_it_stopped_does_not_start_it_by_looking() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let first = FIXTURE.pid();
    let outage = FIXTURE.stopped().expect("it stops");
    assert!(!FIXTURE.running(), "as this thread stopped it");
    assert!(!FIXTURE.get().expect("it is known").running());
    outage.restart().expect("it starts again");
    assert!(FIXTURE.running());
    assert_ne!(FIXTURE.pid(), first);
}

#[test]
fn other_threads_wait_for_the_end_of_an_outage() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let outage = FIXTURE.stopped().expect("it stops");
    let (begun, begins) = mpsc::channel();
    let waits = thread::spawn(move || {
        begun.send(()).expect("somebody waits");
        FIXTURE.get().expect("it is started again").pid()
    });
    begins.recv().expect("the thread runs");
    for _ in 0..1000 {
        assert!(!FIXTURE.running(), "nobody else starts it");
        thread::yield_now();
    }
    drop(outage);
    assert_eq!(waits.join().expect("no panic"), FIXTURE.pid());
}

/// It ends when it was asked to and the gate is open.
fn leaves_late() -> OutputExecutor {
    let script = "trap 'touch {tmpdir}/asked; until [ -e {tmpdir}/open ]; do sleep 0.01; done; exit 0' TERM; \
        echo ready; while :; do sleep 0.01; done";
    OutputExecutor::new(["sh", "-c", script], "ready").stop_timeout(Duration::from_secs(120))
}

fn nobody_gets_it_while(
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
            asks.send(()).expect("it is waited for");
            fixture.get().expect("it is there again").pid()
        });
        about_to_ask.recv().expect("it begins");
        for _ in 0..1000 {
            assert!(!gets.is_finished(), "it is about to end");
            thread::yield_now();
        }
        fs::write(gate.join("open"), "").expect("own directory");
        leaves.join().expect("no panic").expect("it ends");
        let pid = gets.join().expect("no panic");
        assert!(pid != former && pid == fixture.pid());
    });
}

#[test]
fn nobody_gets_one_that_is_on_its_way_down() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(leaves_late);
    nobody_gets_it_while(&FIXTURE, |service| service.restart().map(drop));
}

#[test]
fn nobody_gets_one_that_is_being_stopped() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(leaves_late);
    nobody_gets_it_while(&FIXTURE, |service| service.stop().map(drop));
}

#[test]
fn an_outage_that_ends_in_a_panic_leaves_it_to_the_next() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(ready);
    let panics = thread::spawn(|| {
        let _outage = FIXTURE.stopped().expect("it stops");
        panic!("as it has to");
    });
    assert!(panics.join().is_err());
    assert!(FIXTURE.get().expect("it starts").running());
}

#[test]
fn an_outage_within_an_outage_is_part_of_it() {
    let service = ready().started().expect("it starts");
    let outer = service.stopped().expect("it stops");
    let inner = service.stopped().expect("it is stopped");
    drop(inner);
    outer.restart().expect("it runs");
    assert!(service.running());
}

#[test]
fn one_that_asks_for_itself_is_told_and_is_no_hang() {
    static FIXTURE: Shared<OutputExecutor> = Shared::new(|| {
        let own = FIXTURE.get().expect("it cannot be there yet");
        OutputExecutor::new([PROGRAM, "prints", &own.addr()], "ready")
    });
    for _ in 0..2 {
        let asked = comes_to_an_end(|| std::panic::catch_unwind(|| FIXTURE.get().map(drop)));
        let panic = asked.expect_err("it asks for itself");
        assert_eq!(
            panic.downcast_ref::<&str>(),
            Some(&"the closure that makes a shared fixture must not use that fixture")
        );
    }
}
