//! Each executor returns once its check passes, and the service answers from then on.

use std::{fs, net::TcpStream, os::unix::net::UnixStream, time::Duration};

use mirakuru::{
    AnyExecutor, Executor, HttpExecutor, OutputExecutor, PidExecutor, Result, SimpleExecutor,
    TcpExecutor, UnixSocketExecutor, readiness::Context,
};

use crate::PROGRAM;

/// The delay of the services, in milliseconds.
const LATE: &str = "150";

#[test]
fn a_simple_executor_is_ready_once_spawned() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "prints", "hello"]).started()?;
    assert!(service.running());
    assert_eq!(service.output().wait_for("hello")?, "hello");
    Ok(())
}

#[test]
fn an_output_executor_is_ready_once_a_line_matches() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "--delay", LATE, "now ready"], "ready$")
        .started()?;
    assert_eq!(service.output().text(), "now ready\n");
    Ok(())
}

#[test]
fn a_tcp_executor_is_ready_once_its_port_accepts() -> Result<()> {
    let service =
        TcpExecutor::new([PROGRAM, "listens_late", "{port}", LATE], "127.0.0.1", 0).started()?;
    assert_ne!(service.port(), 0);
    assert_eq!(service.addr(), format!("127.0.0.1:{}", service.port()));
    TcpStream::connect(service.addr()).expect("it is ready");
    Ok(())
}

#[test]
fn a_unix_socket_executor_is_ready_once_its_socket_accepts() -> Result<()> {
    let service =
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}", LATE], "{socket}").started()?;
    UnixStream::connect(service.socket()).expect("it is ready");
    Ok(())
}

#[test]
fn an_http_executor_is_ready_once_its_url_answers() -> Result<()> {
    let command = [PROGRAM, "http_service", "{port}", "5"];
    let service = HttpExecutor::new(command, "http://127.0.0.1:{port}/health").started()?;
    assert_eq!(service.url(), format!("http://{}/health", service.addr()));
    assert_eq!(service.host(), "127.0.0.1");
    // The service answered 503 at first, which is not ready.
    assert_eq!(service.output().wait_for("HEAD")?, "HEAD /health ");
    Ok(())
}

#[test]
fn a_pid_executor_is_ready_once_its_file_exists() -> Result<()> {
    let service =
        PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}", LATE], "{pidfile}").started()?;
    let pid = service.pid().expect("it runs");
    service.wait_for(|| {
        fs::read_to_string(service.filename()).is_ok_and(|text| text == format!("{pid}\n"))
    })?;
    Ok(())
}

#[test]
fn an_executor_is_ready_once_its_closure_returns_true() -> Result<()> {
    let ready = |cx: &Context| cx.output().text().contains("ready");
    let service = Executor::when([PROGRAM, "prints", "--delay", LATE, "ready"], ready).started()?;
    assert_eq!(service.output().text(), "ready\n");
    Ok(())
}

#[test]
fn boxed_executors_of_all_kinds_fit_in_one_list() -> Result<()> {
    let url = "http://127.0.0.1:{port}/";
    let services: Vec<AnyExecutor> = vec![
        SimpleExecutor::new([PROGRAM, "prints", "hello"]).boxed(),
        OutputExecutor::new([PROGRAM, "prints", "ready"], "ready").boxed(),
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0).boxed(),
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}"], "{socket}").boxed(),
        HttpExecutor::new([PROGRAM, "http_service", "{port}"], url).boxed(),
        PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], "{pidfile}").boxed(),
        Executor::when([PROGRAM, "prints", "hello"], |cx: &Context| {
            cx.pid().is_some()
        })
        .boxed(),
        SimpleExecutor::new([PROGRAM, "prints", "hello"])
            .boxed()
            .boxed(),
    ];
    for service in &services {
        assert!(service.start()?.running(), "{service}");
    }
    TcpStream::connect(services[2].addr()).expect("it is ready");
    UnixStream::connect(services[3].socket()).expect("it is ready");
    assert!(
        services[4]
            .url()
            .ends_with(&format!(":{}/", services[4].port()))
    );
    assert!(services[5].filename().exists());
    for service in &services {
        assert!(!service.stop()?.running(), "{service}");
    }
    Ok(())
}

#[test]
fn a_service_whose_first_thread_has_ended_is_ready() -> Result<()> {
    let words = [PROGRAM, "main_thread_ends", "{tmpdir}/flushed", "{port}"];
    let service = TcpExecutor::new(words, "127.0.0.1", 0).timeout(Duration::from_secs(15));
    service.start()?.output().wait_for("^ready$")?;
    service.stop()?;
    assert_eq!(service.exit_code(), Some(0));
    Ok(())
}
