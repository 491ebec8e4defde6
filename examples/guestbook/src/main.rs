//! A small HTTP service: `POST /` keeps the note in its body, and `GET /` lists all notes.
//!
//! Without an argument, the service chooses a free port and prints it in its banner, so no other program can take the
//! port first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1);
    let port = port.map_or(Ok(0), |port| port.parse());
    let port: u16 = port.map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!(
        "guestbook listens on port {}",
        listener.local_addr()?.port()
    );
    let mut notes = Vec::new();
    for stream in listener.incoming() {
        // The service continues if a client disconnects early.
        if let Err(error) = answer(stream?, &mut notes) {
            eprintln!("a client disconnected: {error}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, notes: &mut Vec<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    if request.starts_with("POST") {
        let mut note = String::new();
        reader.take(length).read_to_string(&mut note)?;
        println!("a note: {note}");
        notes.push(note);
    }
    let body = if request.starts_with("GET") {
        notes.join("\n")
    } else {
        String::new()
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
