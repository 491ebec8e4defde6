//! Every kind of process, with a command that is a string, a list, or another expression.

use std::net::TcpStream;

use mirakuru::{
    AnyExecutor, Executor, HttpExecutor, OutputExecutor, PidExecutor, SimpleExecutor, TcpExecutor,
    UnixSocketExecutor, with_process,
};

use crate::PROGRAM;

#[with_process(simple = "sleep 60")]
#[test]
fn simple(sleep: &SimpleExecutor) {
    assert!(sleep.running());
    assert_eq!(sleep.command_parts(), ["sleep", "60"]);
}

#[with_process(output = [PROGRAM, "prints", "listens on 4711"], banner = r"listens on (?<number>\d+)")]
#[test]
fn output(prints: &OutputExecutor) {
    assert_eq!(prints.captured("number").as_deref(), Some("4711"));
}

#[with_process(tcp = concat!(env!("CARGO_BIN_EXE_programs"), " listens_late {port}"))]
#[test]
fn tcp(service: &TcpExecutor) {
    TcpStream::connect(service.addr()).expect("it listens");
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}", "0", "{host}"], host = "localhost", port = 0)]
#[test]
fn tcp_with_a_host(service: &TcpExecutor) {
    assert_eq!(service.host(), "localhost");
    TcpStream::connect(service.addr()).expect("it listens");
}

#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://127.0.0.1:{port}/status/204")]
#[test]
fn http(service: &HttpExecutor) {
    let request = service.output().wait_for("HEAD /status/204");
    request.expect("the check sent a request");
}

#[with_process(unix = [PROGRAM, "binds_unix", "{socket}"], socket = "{socket}")]
#[test]
fn unix(service: &UnixSocketExecutor) {
    assert!(service.socket().exists());
}

#[with_process(pid = [PROGRAM, "writes_pid", "{pidfile}"], filename = "{pidfile}")]
#[test]
fn pid(service: &PidExecutor) {
    assert!(service.filename().exists());
}

#[with_process(executor = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready").name("mine"))]
#[test]
fn executor(prints: &OutputExecutor) {
    assert!(prints.to_string().contains("mine"), "{prints}");
}

#[with_process(executor = SimpleExecutor::new("sleep 60").boxed(), name = "later")]
#[test]
fn executor_of_any_type(sleep: &AnyExecutor) {
    assert!(sleep.to_string().contains("later"), "{sleep}");
}

#[with_process(executor = Executor::when("sleep 60", |_| true))]
#[test]
fn executor_without_a_parameter() {}

fn command() -> Vec<String> {
    vec!["sleep".to_owned(), "60".to_owned()]
}

#[with_process(simple = command())]
#[test]
fn a_command_that_is_an_expression(sleep: &SimpleExecutor) {
    assert_eq!(sleep.command(), "sleep 60");
}

#[with_process(simple = "echo '{{port}}' ${HOME} {1..9} '{{.ID}}'")]
#[test]
fn other_braces_are_text(echo: &SimpleExecutor) {
    assert_eq!(
        echo.command_parts()[1..],
        ["{port}", "${HOME}", "{1..9}", "{{.ID}}"]
    );
}
