//! The main job, on a service that is part of this workspace: nothing needs to be installed.

use std::io::{Read, Write};
use std::net::TcpStream;

use mirakuru::{HttpExecutor, OutputExecutor, Shared};
use mirakuru_examples::own_binary;

/// One request by hand, so that this file needs no HTTP client.
fn ask(addr: &str, method: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    write!(
        stream,
        "{method} / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned()))
}

/// The service picks its port and says so in its banner: a group named `port` sets `port()`.
#[test]
fn keeps_a_note() -> Result<(), Box<dyn std::error::Error>> {
    let guestbook = OutputExecutor::new([own_binary("guestbook")], r"listens on port (?<port>\d+)")
        .started()?;
    ask(&guestbook.addr(), "POST", "hello")?;
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "hello");
    assert_eq!(guestbook.output().wait_for("a note")?, "a note: hello");
    guestbook.stop()?;
    assert!(
        TcpStream::connect(guestbook.addr()).is_err(),
        "nobody listens there any more"
    );
    Ok(())
}

/// Ready when it answers; `{port}` is a free port.
#[test]
fn answers_over_http() -> Result<(), Box<dyn std::error::Error>> {
    let guestbook = HttpExecutor::new(
        [own_binary("guestbook"), "{port}"],
        "http://127.0.0.1:{port}/",
    )
    .started()?;
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "");
    Ok(())
} // It is stopped here.

/// How the client behaves while the service is away.
#[test]
fn survives_an_outage() -> Result<(), Box<dyn std::error::Error>> {
    let guestbook = HttpExecutor::new(
        [own_binary("guestbook"), "{port}"],
        "http://127.0.0.1:{port}/",
    )
    .started()?;
    let outage = guestbook.stopped()?;
    assert!(ask(&guestbook.addr(), "GET", "").is_err());
    outage.restart()?;
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "");
    Ok(())
}

/// One service for all tests of this process. Rust drops no statics; it is stopped all the same.
static SHARED: Shared<OutputExecutor> =
    Shared::new(|| OutputExecutor::new([own_binary("guestbook")], r"listens on port (?<port>\d+)"));

/// Whoever else leaves a note there meanwhile.
fn leaves_a_note(note: &str) -> Result<(), Box<dyn std::error::Error>> {
    let addr = SHARED.get()?.addr();
    ask(&addr, "POST", note)?;
    let notes = ask(&addr, "GET", "")?;
    assert!(notes.lines().any(|kept| kept == note), "{notes}");
    Ok(())
}

#[test]
fn shares_a_service() -> Result<(), Box<dyn std::error::Error>> {
    leaves_a_note("from one test")
}

#[test]
fn shares_it_with_another() -> Result<(), Box<dyn std::error::Error>> {
    leaves_a_note("from another")
}
