//! rstest: each case has a process of its own, in front of the case's values and fixtures. Nothing
//! needs to be installed.

use std::io::{Read, Write};
use std::net::TcpStream;

use mirakuru::{OutputExecutor, with_process};
use mirakuru_examples::own_binary;
use rstest::{fixture, rstest};

#[fixture]
fn greeting() -> String {
    "hello".to_owned()
}

fn ask(addr: &str, method: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    let length = body.len();
    write!(
        stream,
        "{method} / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[with_process(output = [own_binary("guestbook")], banner = r"listens on port (?<port>\d+)")]
#[rstest]
#[case::english("Anna")]
#[case::japanese("アンナ")]
fn greets(guestbook: &OutputExecutor, #[case] name: &str, greeting: String) -> std::io::Result<()> {
    let note = format!("{greeting} {name}");
    ask(&guestbook.addr(), "POST", &note)?;
    let notes = ask(&guestbook.addr(), "GET", "")?;
    assert!(notes.ends_with(&note), "{notes}");
    Ok(())
}
