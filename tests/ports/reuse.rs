//! `OnConflict::Reuse`: a service that already answers is used, and never stopped.

use std::{
    net::{TcpListener, TcpStream},
    time::Duration,
};

use mirakuru::{
    ErrorKind, Executor, HttpExecutor, OnConflict, OutputExecutor, Readiness, Result, TcpExecutor,
    UnixSocketExecutor,
    readiness::{Output, Tcp},
};
use mirakuru_tests::{bounds::comes_to_an_end, error_text::error_of};

use crate::{
    PROGRAM,
    holder::{Holder, fixed_port},
};

fn reusing(port: u16) -> TcpExecutor {
    TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port)
        .on_conflict(OnConflict::Reuse)
}

#[test]
fn a_reused_service_is_never_stopped() -> Result<()> {
    let port = fixed_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let service = reusing(port).started()?;
    assert!(service.running());
    assert_eq!(service.pid(), None);
    service.start()?.stop()?.start()?.kill()?.start()?;
    drop(service);
    TcpStream::connect(("127.0.0.1", port)).expect("it still answers");
    drop(stranger);
    Ok(())
}

/// Returns a service that answers the first five requests with 503. It prints each request in one line.
fn warming_up(port: u16) -> OutputExecutor {
    let command = [PROGRAM, "http_service", &port.to_string(), "5"];
    OutputExecutor::new(command, "listening")
}

fn reusing_http(port: u16) -> HttpExecutor {
    let url = format!("http://127.0.0.1:{port}/");
    HttpExecutor::new("sleep 60", url).on_conflict(OnConflict::Reuse)
}

#[test]
fn a_reused_service_is_waited_for_until_it_is_ready() -> Result<()> {
    let port = fixed_port();
    let other = warming_up(port).started()?;
    let service = reusing_http(port).started()?;
    assert_eq!((service.pid(), service.running()), (None, true));
    // The service refused five requests, and answered the sixth.
    let lines = other.output().lines().take(6).collect::<Result<Vec<_>>>()?;
    assert_eq!(lines, ["HEAD / "; 6]);
    drop(service);
    assert!(other.running());
    Ok(())
}

#[test]
fn a_reused_service_that_is_never_ready_is_reported() -> Result<()> {
    let port = fixed_port();
    let command = [PROGRAM, "http_service", &port.to_string(), "0", "503"];
    let other = OutputExecutor::new(command, "listening").started()?;
    let error = error_of(reusing_http(port).timeout(Duration::from_secs(1)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    let pid = other.pid().expect("it runs");
    for reported in [
        "is not ready\n",
        "last check:  it answered with status 503\n",
        &*format!("held by:     pid {pid}: "),
    ] {
        assert!(text.contains(reported), "{text}");
    }
    Ok(())
}

#[test]
fn a_reused_service_that_ends_before_readiness_is_replaced() -> Result<()> {
    let port = fixed_port();
    let command = [PROGRAM, "http_service", &port.to_string(), "0", "503"];
    let other = OutputExecutor::new(command, "listening").started()?;
    let url = format!("http://127.0.0.1:{port}/");
    let ours = [PROGRAM, "http_service", &port.to_string()];
    let service = HttpExecutor::new(ours, url).on_conflict(OnConflict::Reuse);
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| service.start().map(drop));
        // The service has refused a request.
        other.output().wait_for("HEAD")?;
        other.stop()?;
        starting.join().expect("no panic")
    })?;
    assert!(service.pid().is_some());
    Ok(())
}

#[test]
fn any_process_can_hold_a_reused_socket() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    let _stranger = std::os::unix::net::UnixListener::bind(&path).expect("own directory");
    let service = UnixSocketExecutor::new("sleep 60", &path).on_conflict(OnConflict::Reuse);
    assert!(service.start()?.running());
    assert_eq!(service.pid(), None);
    service.stop()?;
    drop(service);
    std::os::unix::net::UnixStream::connect(&path).expect("it still answers");
    Ok(())
}

#[test]
fn a_socket_in_the_private_directory_is_not_looked_up() -> Result<()> {
    for socket in ["{socket}", "{tmpdir}/own"] {
        let service = UnixSocketExecutor::new([PROGRAM, "binds_unix", socket], socket);
        let service = service.on_conflict(OnConflict::Reuse).started()?;
        assert!(service.pid().is_some());
    }
    Ok(())
}

#[test]
fn the_address_of_localhost_is_that_of_the_reused_service() -> Result<()> {
    let port = fixed_port();
    let Ok(_stranger) = TcpListener::bind(("::1", port)) else {
        return Ok(());
    };
    let service = TcpExecutor::new("sleep 60", "localhost", port);
    let service = service.on_conflict(OnConflict::Reuse).started()?;
    assert_eq!(service.addr(), format!("[::1]:{port}"));
    Ok(())
}

#[test]
fn a_check_that_needs_its_own_process_is_invalid() {
    let mistake = |check: Box<dyn Readiness>| {
        let executor = Executor::with_readiness("sleep 60", check);
        let error = error_of(executor.on_conflict(OnConflict::Reuse).start());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.to_string().contains("`OnConflict::Reuse`"), "{error}");
    };
    let tcp = || Tcp::new("127.0.0.1", fixed_port());
    mistake(Box::new(Output::new("ready")));
    mistake(Box::new(tcp().and(Output::new("ready"))));
    mistake(Box::new(Output::new("ready").then(tcp())));
    mistake(Box::new(std::sync::Arc::new(
        tcp().then(Output::new("ready")),
    )));
    let either = tcp().or(Output::new("ready"));
    let service = Executor::with_readiness([PROGRAM, "listens_late", "{port}"], either);
    service
        .on_conflict(OnConflict::Reuse)
        .start()
        .expect("a process of any origin satisfies it");
}

#[test]
fn a_service_that_does_not_answer_is_started_and_stopped() -> Result<()> {
    let port = fixed_port();
    let service = reusing(port).started()?;
    assert!(service.pid().is_some());
    service.stop()?;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    Ok(())
}

#[test]
fn a_start_by_another_test_process_is_waited_for() -> Result<()> {
    let port = fixed_port();
    let command = format!("exec {PROGRAM} listens_late {port} 500");
    let mut other = Holder::with(port, "reuse", &command, |_| {});
    let service = reusing(port).started()?;
    assert_eq!(other.outcome(), "held");
    assert!(service.running());
    TcpStream::connect(("127.0.0.1", port)).expect("one of the two has started it");
    Ok(())
}

#[test]
fn a_reused_service_can_take_longer_than_the_timeout() -> Result<()> {
    let port = fixed_port();
    let command = format!("exec {PROGRAM} listens_late {port} 4000");
    let mut other = Holder::with(port, "fail", &command, |holder| {
        holder.env("MIRAKURU_LOG", "1");
    });
    other.wait_for_line("runs with pid");
    let service = reusing(port).timeout(Duration::from_secs(2));
    let service = comes_to_an_end(|| service.started())?;
    assert_eq!(
        service.pid(),
        None,
        "the service belongs to the other process"
    );
    TcpStream::connect(("127.0.0.1", port)).expect("it answers");
    Ok(())
}

#[test]
fn processes_reuse_the_service_of_one_of_them() {
    let port = fixed_port();
    let mut first = Holder::start(port, "reuse");
    assert_eq!(first.outcome(), "held");
    let mut second = Holder::start(port, "reuse");
    assert_eq!(second.outcome(), "held");
    second.end();
    TcpStream::connect(("127.0.0.1", port)).expect("the first process keeps it running");
    first.end();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
