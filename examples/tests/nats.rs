//! NATS, a message broker with a text protocol. Subscribers receive the messages that a client publishes.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use mirakuru::{ErrorKind, HttpExecutor, services, with_process};

#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn delivers_a_message() -> Result<(), Box<dyn Error>> {
    let nats = services::nats().started()?;
    let mut stream = TcpStream::connect(nats.addr())?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut next = || {
        lines
            .next()
            .ok_or("the server closed the connection")?
            .map_err(Box::<dyn Error>::from)
    };
    assert!(next()?.starts_with("INFO "));

    stream.write_all(b"CONNECT {\"verbose\": false}\r\nSUB greetings 1\r\n")?;
    stream.write_all(b"PUB greetings 5\r\nhello\r\n")?;
    assert_eq!(next()?, "MSG greetings 1 5");
    assert_eq!(next()?, "hello");
    Ok(())
}

/// The server has a second port for its monitor, which answers once the server accepts clients.
#[with_process(
    http = "nats-server --addr {host} --port {port} --http_port {port:monitor}",
    url = "http://127.0.0.1:{port:monitor}/healthz",
    stop_signal = SIGINT
)]
#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn counts_its_clients(nats: &HttpExecutor) -> Result<(), Box<dyn Error>> {
    let mut client = TcpStream::connect(nats.addr())?;
    client.write_all(b"CONNECT {\"verbose\": false}\r\nPING\r\n")?;
    let mut answers = BufReader::new(client.try_clone()?).lines();
    // The server answers the PING after it has counted the client.
    while answers.next().ok_or("the server closed the connection")?? != "PONG" {}

    let port = nats.port_named("monitor");
    let mut monitor = TcpStream::connect((nats.host(), port))?;
    monitor.write_all(b"GET /connz HTTP/1.0\r\n\r\n")?;
    let connections = std::io::read_to_string(monitor)?;
    assert!(
        connections.contains("\"num_connections\": 1"),
        "{connections}"
    );
    Ok(())
}

/// The first mistake is a missing `stop_signal`. The second is an HTTP check on the port for clients.
#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn errors_name_the_mistakes() -> Result<(), Box<dyn Error>> {
    let command = "nats-server --addr {host} --port {port} --http_port {port:monitor}";
    let nats = HttpExecutor::new(command, "http://127.0.0.1:{port:monitor}/healthz");
    let stopped = nats.started()?.stop().map(drop);
    let text = stopped.expect_err("the server exits with 1").to_string();
    for part in [
        "exit code 0 or 143",
        "the stop sent SIGTERM",
        "stop_signal = SIGINT",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let clients = HttpExecutor::new(command, "http://127.0.0.1:{port}/healthz");
    let started = clients.timeout(Duration::from_secs(2)).started();
    let error = started.expect_err("the port has another protocol");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    assert!(text.contains("it answered, but not with HTTP"), "{text}");
    Ok(())
}
