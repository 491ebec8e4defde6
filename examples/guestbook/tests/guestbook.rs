//! Tests of the service in this package, with the attribute and by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use guestbook::own_binary;
use mirakuru::{OutputExecutor, Shared, TcpExecutor, with_process};

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

/// The attribute starts the service before the body and stops it afterwards. `{port}` is a free port.
#[with_process(tcp = [own_binary("guestbook"), "{port}"])]
#[test]
fn has_no_notes_at_first(guestbook: &TcpExecutor) -> std::io::Result<()> {
    assert_eq!(ask(&guestbook.addr(), "GET", "")?, "");
    Ok(())
}

/// By hand. The service chooses its port and prints it: a group named `port` in the banner sets `port()`.
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
        "no process listens there any more"
    );
    Ok(())
}

/// A client sees an outage, and then the service again.
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

/// One service for all tests of this process. It is stopped with the process, although Rust drops no
/// statics.
static SHARED: Shared<OutputExecutor> =
    Shared::new(|| OutputExecutor::new([own_binary("guestbook")], r"listens on port (?<port>\d+)"));

/// Passes whatever notes other tests leave meanwhile.
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
