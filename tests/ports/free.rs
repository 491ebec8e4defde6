//! `{port}` without a port number: a port that no other executor has.

use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use mirakuru::{
    Context, ErrorKind, Executor, NotReady, Readiness, Result, SimpleExecutor, TcpExecutor,
    readiness::{Target, Tcp},
};
use mirakuru_tests::error_text::error_of;

use crate::{PROGRAM, silent::silent, stranger::TakenAfterTheStart};

#[test]
fn free_ports_are_distinct() {
    let executors: Vec<_> = (0..40).map(|_| SimpleExecutor::new("x {port}")).collect();
    let ports: BTreeSet<_> = thread::scope(|scope| {
        let asking: Vec<_> = executors
            .iter()
            .map(|executor| scope.spawn(|| executor.port()))
            .collect();
        let ports = asking.into_iter().map(|one| one.join().expect("a port"));
        ports.collect()
    });
    assert_eq!(ports.len(), executors.len());
    // Chance alone would rarely give the same port twice, so the test also checks that each port is refused to another
    // executor.
    for port in ports {
        let text = error_of(silent(port).start()).to_string();
        assert!(text.contains("has reserved the port"), "{text}");
    }
}

#[test]
fn a_free_port_is_released_with_its_executor() -> Result<()> {
    let free = SimpleExecutor::new("x {port}");
    let fixed = silent(free.port());
    assert_eq!(error_of(fixed.start()).kind(), ErrorKind::AlreadyRunning);
    drop(free);
    fixed.start()?;
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn free_ports_are_outside_the_range_for_connections() {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("procfs");
    let bounds: Vec<u16> = range
        .split_whitespace()
        .map(|bound| bound.parse().expect("a port"))
        .collect();
    for _ in 0..10 {
        let port = SimpleExecutor::new("x {port}").port();
        assert!(!(bounds[0]..=bounds[1]).contains(&port), "{port}");
    }
}

#[test]
fn a_free_port_stays_through_stops_and_restarts() -> Result<()> {
    let service =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0).started()?;
    let port = service.port();
    service.restart()?.stop()?.start()?;
    assert_eq!(service.port(), port);
    TcpStream::connect(("127.0.0.1", port)).expect("it is ready again");
    Ok(())
}

fn taken_once() -> TakenAfterTheStart {
    TakenAfterTheStart::new(Tcp::new("127.0.0.1", 0))
}

#[test]
fn a_start_takes_another_port_if_the_first_is_taken() -> Result<()> {
    let script = format!(
        "until test -e {{tmpdir}}/bound; do sleep 0.02; done; exec {PROGRAM} listens_late {{port}}"
    );
    let service = mirakuru::Executor::with_readiness(script, taken_once()).shell(true);
    service.start()?;
    // The service prints the line after it listens.
    service.wait_for(|| service.output().text() == "listening\n")?;
    TcpStream::connect(service.addr()).expect("it is ready");
    Ok(())
}

/// A check whose ports other sockets take, one after another.
struct AlwaysTaken(Mutex<Vec<TcpListener>>);

impl Readiness for AlwaysTaken {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        let mut taken = self.0.lock().expect("no panic");
        let is_port = |listener: &TcpListener| {
            let address = listener.local_addr().expect("bound");
            address.port() == cx.port()
        };
        if !taken.iter().any(is_port) {
            taken.push(TcpListener::bind(("127.0.0.1", cx.port())).expect("free"));
        }
        drop(taken);
        Tcp::new("127.0.0.1", 0).after_start_check(cx)
    }

    fn target(&self) -> Target {
        Tcp::new("127.0.0.1", 0).target()
    }
}

#[test]
fn a_start_fails_after_six_ports_were_taken() {
    let check = Arc::new(AlwaysTaken(Mutex::default()));
    let command = [PROGRAM, "listens_late", "{port}", "60000"];
    let executor = Executor::with_readiness(command, Arc::clone(&check));
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_eq!(check.0.lock().expect("no panic").len(), 6);
}

#[test]
fn a_port_that_the_test_has_read_is_not_replaced() {
    let command = [PROGRAM, "listens_late", "{port}", "60000"];
    let executor = mirakuru::Executor::with_readiness(command, taken_once());
    let port = executor.port();
    let error = executor.start().map(drop).expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_eq!(executor.port(), port);
    let text = error.to_string();
    let holder = format!("held by:     pid {}: ", std::process::id());
    assert!(text.contains(&holder), "{text}");
}
