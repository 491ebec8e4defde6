//! A second test binary of the same run, and the tests of a fixture with a fixed port, which are in it alone.
#![cfg(target_os = "linux")]

#[path = "in_a_run.rs"]
mod in_a_run;

use std::{env, thread};

use mirakuru::{ErrorKind, OnConflict, Shared, TcpExecutor};

fn port() -> u16 {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    port.expect("it is run by `runners`")
}

fn listening() -> TcpExecutor {
    let command = [env!("CARGO_BIN_EXE_listens_late"), "{port}"];
    TcpExecutor::new(command, "127.0.0.1", port())
}

static FIXTURE: Shared<TcpExecutor> = Shared::per_run("on a port", listening);
/// The same for another process of the run: it has a link of its own.
static OTHER: Shared<TcpExecutor> = Shared::per_run("on a port", listening);

#[test]
fn port_of_a_fixture_is_not_waited_for() {
    FIXTURE.get().expect("it starts");
    let queued = listening().on_conflict(OnConflict::Wait);
    let error = queued.start().expect_err("it is never given back");
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let text = error.to_string();
    assert!(text.contains("a shared fixture of this run"), "{text}");
    FIXTURE.stop().expect("it runs");
}

#[test]
fn port_of_a_fixture_that_was_stopped_is_anybodys() {
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
    FIXTURE.get().expect("it has its port again");
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
