//! Tests of the service in this package, with the attribute and without it.

use std::io::{Read, Write};
use std::net::TcpStream;

use guestbook::own_binary;
use mirakuru::{OutputExecutor, Shared, TcpExecutor, with_process};

/// Sends a request, and returns the body of the answer. This file needs no HTTP client for it.
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

/// The attribute starts the service before the body and stops it afterwards. `{port}` is a free port.
#[with_process(tcp = [own_binary("guestbook"), "{port}"])]
#[test]
fn has_no_notes_at_first(guestbook: &TcpExecutor) -> std::io::Result<()> {
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "");
    Ok(())
}

/// The test starts the service itself. The service chooses a port and prints it, and the group `port` of the banner
/// sets `port()`.
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
        "no process listens on the port"
    );
    Ok(())
}

/// Requests fail during an outage, and succeed after it.
#[test]
fn survives_an_outage() -> Result<(), Box<dyn std::error::Error>> {
    let guestbook =
        TcpExecutor::new([own_binary("guestbook"), "{port}"], "127.0.0.1", 0).started()?;
    let outage = guestbook.stopped()?;
    assert!(ask(&guestbook.addr(), "GET", "").is_err());
    outage.restart()?;
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "");
    Ok(())
}

/// One service for all tests of this process. The service stops with the process, although Rust does not drop statics.
static SHARED: Shared<OutputExecutor> =
    Shared::new(|| OutputExecutor::new([own_binary("guestbook")], r"listens on port (?<port>\d+)"));

/// Leaves a note and finds it again, among any notes of other tests.
fn leaves_a_note(note: &str) -> Result<(), Box<dyn std::error::Error>> {
    let addr = SHARED.get()?.addr();
    ask(&addr, "POST", note)?;
    let notes = ask(&addr, "GET", "")?;
    assert!(notes.lines().any(|kept| kept == note), "{notes}");
    Ok(())
}

#[test]
fn a_test_shares_a_service() -> Result<(), Box<dyn std::error::Error>> {
    leaves_a_note("from one test")
}

#[test]
fn another_test_shares_the_service() -> Result<(), Box<dyn std::error::Error>> {
    leaves_a_note("from another")
}
