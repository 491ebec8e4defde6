//! Shows what a failing test prints: `cargo test -p guestbook --test failing`.

use std::io::{Read, Write};
use std::net::TcpStream;

use guestbook::own_binary;
use mirakuru::{OutputExecutor, with_process};

#[with_process(output = [own_binary("guestbook")], banner = r"listens on port (?<port>\d+)")]
#[test]
fn keeps_a_note(guestbook: &OutputExecutor) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(guestbook.addr())?;
    // The test fails because the length of the note is 5, not 2.
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhello")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.ends_with("hello"), "{answer:?}");
    Ok(())
}
