//! Tests free ports, ports of several services, and ports that are taken.

use std::{
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use mirakuru::{ErrorKind, OnConflict, Result, SimpleExecutor, TcpExecutor, start_all};
use mirakuru_everywhere::{life::Life, service};

use crate::{assert_parts, error_of, waits};

fn listens(port: u16) -> TcpExecutor {
    TcpExecutor::new(service(&["listen={port}", "wait"]), "127.0.0.1", port)
}

/// Returns a port that no other test gets at the moment.
pub(crate) fn fixed_port() -> u16 {
    SimpleExecutor::new("x {port}").port()
}

#[test]
fn a_service_gets_a_free_port_and_keeps_it() -> Result<()> {
    let executor = listens(0);
    let port = executor.port();
    executor.start()?;
    let line = format!("listens on port {port}");
    assert_eq!(executor.output().wait_for("^listens")?, line);
    executor.restart()?;
    let again = executor.output().wait_for("^listens")?;
    assert_eq!(again, line, "it keeps its port");
    Ok(())
}

#[test]
fn a_service_has_ports_of_several_names() -> Result<()> {
    let executor = waits(&["say={port} {port:metrics} {port:admin} {host}"]).started()?;
    let [metrics, admin] = ["metrics", "admin"].map(|name| executor.port_named(name));
    let own = executor.port();
    assert!(own != metrics && own != admin && metrics != admin);
    let line = format!("{own} {metrics} {admin} 127.0.0.1\n");
    assert!(executor.output().text().starts_with(&line));
    Ok(())
}

#[test]
fn concurrent_services_have_different_ports() {
    let started = || listens(0).started().expect("it starts");
    let mut ports = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(started));
        let services = threads.map(|thread| thread.join().expect("no panic"));
        services.each_ref().map(|service| {
            TcpStream::connect(service.addr()).expect("it listens");
            service.port()
        })
    });
    ports.sort_unstable();
    assert!(ports.is_sorted_by(|one, other| one < other), "{ports:?}");
}

#[test]
fn several_services_start_together() -> Result<()> {
    let (first, second) = (listens(0), waits(&["say=hello"]));
    start_all([&first, &second])?;
    assert!(first.running() && second.running());
    Ok(())
}

#[test]
fn a_port_on_which_another_process_listens_is_an_error() {
    let port = fixed_port();
    let _listener = TcpListener::bind(("127.0.0.1", port)).expect("it was free");
    let executor = listens(port);
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_parts(&error.to_string(), &[&format!("127.0.0.1:{port}")]);
    assert!(!executor.running());
}

#[test]
#[cfg_attr(windows, ignore = "Wine 8 does not report which process listens")]
fn a_process_that_answers_in_place_of_the_service_is_named() {
    let port = fixed_port();
    let life = Life::new();
    let steps = [&*life.step(), &format!("listen={port}"), "wait"];
    let [program, words @ ..] = &service(&steps)[..] else {
        panic!("a program");
    };
    let mut unrelated = Command::new(program).args(words).spawn().expect("it runs");
    life.wait_for(1);
    let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    while !is_up() {
        thread::yield_now();
    }
    let error = error_of(listens(port).start());
    unrelated
        .kill()
        .and_then(|()| unrelated.wait())
        .expect("a child");
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_parts(&error.to_string(), &["everywhere-service"]);
}

#[test]
fn a_port_that_another_executor_holds_is_an_error() -> Result<()> {
    let first = listens(fixed_port()).started()?;
    let error = error_of(listens(first.port()).start());
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert_parts(
        &error.to_string(),
        &["has reserved the port", &first.port().to_string()],
    );
    Ok(())
}

#[test]
fn a_start_can_wait_until_the_port_is_released() -> Result<()> {
    let first = listens(fixed_port()).started()?;
    let second = listens(first.port()).on_conflict(OnConflict::Wait);
    thread::scope(|scope| {
        let waits = scope.spawn(|| second.start().map(drop));
        first.stop()?;
        waits.join().expect("no panic")
    })?;
    assert!(second.running() && !first.running());
    Ok(())
}
