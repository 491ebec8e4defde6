//! Answers each HTTP request with its pid: `answers PORT|PATH [DELAY_MS]`.
//!
//! Listens after the delay, on a port of 127.0.0.1 or on a Unix socket at PATH, and prints `listening`.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    process, thread,
    time::Duration,
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let place = args.next().ok_or("PORT or PATH is missing")?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;

    thread::sleep(Duration::from_millis(delay));
    if place.contains('/') {
        let listener = UnixListener::bind(&place)?;
        println!("listening");
        loop {
            let (connection, _) = listener.accept()?;
            thread::spawn(move || drop(answer(&connection, &connection)));
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", place.parse()?))?;
    println!("listening");
    loop {
        let (connection, _) = listener.accept()?;
        thread::spawn(move || drop(answer(&connection, &connection)));
    }
}

fn answer(from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = String::new();
    while from.read_line(&mut line)? > 0 && !line.ends_with("\r\n\r\n") {}
    let pid = process::id().to_string();
    let length = pid.len();
    write!(
        to,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{pid}"
    )
}
