//! A second test binary for the run of `in_a_run`. It adds tests of a fixture with a fixed port, of the environment of
//! a service, of forks, and of a service that stops slowly.
#![cfg(target_os = "linux")]

mod in_a_run;

use std::{env, fs, path::Path, process, sync::mpsc, thread, time::Duration};

use mirakuru::{ErrorKind, OnConflict, OutputExecutor, Result, Shared, TcpExecutor};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");

fn port() -> u16 {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    port.expect("it is run by `runners`")
}

fn listening() -> TcpExecutor {
    let command = [PROGRAM, "listens_late", "{port}"];
    TcpExecutor::new(command, "127.0.0.1", port())
}

static FIXTURE: Shared<TcpExecutor> = Shared::per_run("on a port", listening);
/// A second client of `FIXTURE`, with a link of its own, as another process of the run has one.
static OTHER: Shared<TcpExecutor> = Shared::per_run("on a port", listening);

#[test]
fn port_of_a_fixture_is_not_waited_for() {
    FIXTURE.get().expect("it starts");
    let queued = listening().on_conflict(OnConflict::Wait);
    let error = queued.start().expect_err("the run never releases it");
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    assert!(text.contains("a shared fixture of this run"), "{text}");
    FIXTURE.stop().expect("it runs");
}

#[test]
fn port_of_a_fixture_that_was_stopped_is_free() {
    FIXTURE.get().expect("it starts");
    OTHER.get().expect("it is there");
    OTHER.stop().expect("it runs");
    let queued = || {
        listening()
            .on_conflict(OnConflict::Wait)
            .started()
            .map(drop)
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|_| scope.spawn(queued)).collect();
        for thread in all {
            thread.join().expect("no panic").expect("it is served");
        }
    });
    FIXTURE.get().expect("it gets its port again");
    OTHER.stop().expect("it runs");
}

#[test]
fn port_of_an_outage_is_kept_from_other_links_too() {
    FIXTURE.get().expect("it starts");
    OTHER.get().expect("it is there");
    let outage = FIXTURE.stopped().expect("it stops");
    let error = listening().start().expect_err("the lease is kept");
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    outage.restart().expect("it starts again");
    assert!(OTHER.running());
    OTHER.stop().expect("it runs");
}

/// Another process has `LOW_PORT`, and waits for the port of the fixture.
#[test]
fn queue_in_a_deadlock_gives_way() {
    let fixture = FIXTURE.get().expect("it starts");
    fs::write(in_a_run::path("high"), "").expect("own directory");
    let is_held = || Path::new(&in_a_run::path("low")).exists();
    fixture.wait_for(is_held).expect("`runners` starts it");
    let low: u16 = env::var("LOW_PORT").expect("one").parse().expect("a port");
    let queued = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", low);
    let queued = queued.on_conflict(OnConflict::Wait);
    let error = queued.start().expect_err("it would deadlock");
    let why = format!("this test holds port {}", port());
    assert!(error.to_string().contains(&why), "{error}");
    FIXTURE.stop().expect("it runs");
}

fn shows_its_environment() -> OutputExecutor {
    let command = ["sh", "-c", "env; echo end; exec sleep 60"];
    OutputExecutor::new(command, "^end$").env("OWN", "its own")
}

static SHOWS: Shared<OutputExecutor> = Shared::per_run("shows", shows_its_environment);

#[test]
fn environment_is_that_of_the_run() {
    let of_the_test = env::var("OF_THE_TEST").expect("it is run by `runners`");
    let plain = shows_its_environment().started().expect("it starts");
    let plain = plain.output().text();
    let shared = SHOWS.get().expect("it starts").output().text();
    for begin in of_the_test.split(' ') {
        let is_in = |text: &str| text.lines().any(|line| line.starts_with(begin));
        assert!(is_in(&plain), "{begin} is missing: {plain}");
        assert!(!is_in(&shared), "{begin} is there: {shared}");
    }
    for line in ["OWN=its own", "IN_A_RUN=", "PATH="] {
        assert!(shared.lines().any(|own| own.starts_with(line)), "{shared}");
    }
}

#[test]
#[expect(unsafe_code, reason = "forking is the behaviour")]
fn fork_that_drops_a_guard_does_not_give_it_back() {
    let guard = FIXTURE.lock().expect("it is there");
    // SAFETY: the child only drops its copy of the guard, and exits.
    match unsafe { fork() }.expect("a new process") {
        ForkResult::Child => {
            drop(guard);
            process::exit(0);
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None).expect("no other thread reaps the child");
            assert_eq!(ended, WaitStatus::Exited(child, 0));
        }
    }
    // A thread queues for the lock like another process of the run. `runners` sets a queue timeout of one second.
    let other = thread::spawn(|| OTHER.lock().map(drop));
    let refused = other.join().expect("no panic").expect_err("it is in use");
    assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
    drop(guard);
    OTHER.lock().map(drop).expect("the guard was dropped");
    FIXTURE.stop().expect("it runs");
}

fn stops_late() -> OutputExecutor {
    // After the stop signal, the service waits for the file `open`.
    let script = "trap 'touch asked; until [ -e open ]; do sleep 0.01; done; exit 0' TERM; \
        echo ready; while :; do sleep 0.01; done";
    let directory = env::var("IN_A_RUN").expect("it is run by `runners`");
    OutputExecutor::new(["sh", "-c", script], "ready")
        .cwd(directory)
        .stop_timeout(Duration::from_secs(120))
}

static SLOW: Shared<OutputExecutor> = Shared::per_run("slow", stops_late);
static SLOW_TOO: Shared<OutputExecutor> = Shared::per_run("slow", stops_late);

fn assert_get_waits_until(
    asks: &'static Shared<OutputExecutor>,
    down: fn(&OutputExecutor) -> Result<()>,
) {
    let fixture = SLOW.get().expect("it starts");
    let former = asks.get().expect("it is there").pid();
    let path = |name| {
        format!(
            "{}/{name}",
            env::var("IN_A_RUN").expect("it was set before")
        )
    };
    thread::scope(|scope| {
        let stops = scope.spawn(|| down(fixture));
        while !fs::exists(path("asked")).expect("own directory") {
            thread::yield_now();
        }
        let (asked, about_to_ask) = mpsc::channel();
        let gets = scope.spawn(move || {
            asked.send(()).expect("the test receives it");
            asks.get().expect("it is there again").pid()
        });
        about_to_ask.recv().expect("it begins");
        for _ in 0..1000 {
            assert!(!gets.is_finished(), "the service is still stopping");
            thread::yield_now();
        }
        fs::write(path("open"), "").expect("own directory");
        stops.join().expect("no panic").expect("it ends");
        let pid = gets.join().expect("no panic");
        assert!(pid != former && pid == SLOW.pid());
    });
    SLOW.stop().expect("it runs");
}

#[test]
fn down_for_a_restart_of_this_process() {
    assert_get_waits_until(&SLOW, |fixture| fixture.restart().map(drop));
}

#[test]
fn down_for_a_restart_of_another_process() {
    assert_get_waits_until(&SLOW_TOO, |fixture| fixture.restart().map(drop));
}

#[test]
fn down_for_a_stop_of_this_process() {
    assert_get_waits_until(&SLOW, |fixture| fixture.stop().map(drop));
}

#[test]
fn down_for_a_stop_of_another_process() {
    assert_get_waits_until(&SLOW_TOO, |fixture| fixture.stop().map(drop));
}
