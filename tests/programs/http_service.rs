//! A small HTTP/1.1 service that answers with the request that it received: `http_service PORT [REFUSED] [STATUS=200]`.
//!
//! It listens at once (on a free port for `PORT` 0), prints `listening on PORT`, and answers 503 to the first `REFUSED`
//! requests, then `STATUS`. Some paths have their own answer:
//!
//! - `/status/NNN`: the status NNN.
//! - `/needs/NAME/VALUE`: 412 unless the request has that header (`%20` in the value is a space).
//! - `/refuses/METHOD/NNN`: the status NNN for that method.
//! - `/raw/TEXT`: TEXT alone (`%20` is a space).
//!
//! The body of the answer is the request's method, path, query, headers and body as text. The service prints one line
//! per request: `METHOD path?query body`.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{Args, Outcome};

struct Request {
    method: String,
    /// The path and the query, as they were sent.
    target: String,
    /// One `name: value` per header, the names as they were sent.
    headers: Vec<String>,
    body: String,
}

pub(crate) fn run(args: &mut Args) -> Outcome {
    let port: u16 = args.next().ok_or("PORT is missing")?.parse()?;
    let refused: u64 = args.next().map_or(Ok(0), |count| count.parse())?;
    let status: u16 = args.next().map_or(Ok(200), |code| code.parse())?;

    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on {}", listener.local_addr()?.port());
    for connection in listener.incoming() {
        let connection = connection?;
        thread::spawn(move || {
            // The client may be gone. That is not a failure of the service.
            drop(serve(&connection, refused, status));
        });
    }
    Ok(())
}

/// Answers the request of a connection, if the client sends one.
fn serve(connection: &TcpStream, refused: u64, status: u16) -> io::Result<()> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let Some(request) = read_request(BufReader::new(connection))? else {
        return Ok(());
    };
    let Request {
        method,
        target,
        headers,
        body,
    } = &request;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let status = if ASKED.fetch_add(1, Ordering::Relaxed) < refused {
        503
    } else {
        status_for(&request, path).unwrap_or(status)
    };
    println!("{method} {target} {body}");
    if let Some(raw) = path.strip_prefix("/raw/") {
        return (&*connection).write_all(raw.replace("%20", " ").as_bytes());
    }

    let mut answer = Vec::new();
    write!(answer, "method: {method}\npath: {path}\nquery: {query}\n")?;
    for header in headers {
        writeln!(answer, "header: {header}")?;
    }
    writeln!(answer, "body: {body}")?;

    let mut reply = Vec::new();
    write!(reply, "HTTP/1.1 {status} Status\r\nConnection: close\r\n")?;
    if (300..400).contains(&status) {
        write!(reply, "Location: /status/200\r\n")?;
    }
    if matches!(status, 204 | 304) {
        answer.clear();
    } else {
        write!(
            reply,
            "Content-Type: text/plain\r\nContent-Length: {}\r\n",
            answer.len()
        )?;
    }
    write!(reply, "\r\n")?;
    if method != "HEAD" {
        reply.append(&mut answer);
    }
    (&*connection).write_all(&reply)
}

/// Returns the status that the path requests, if it requests one.
fn status_for(request: &Request, path: &str) -> Option<u16> {
    if let Some((method, code)) = path
        .strip_prefix("/refuses/")
        .and_then(|rest| rest.split_once('/'))
    {
        return code.parse().ok().filter(|_| request.method == method);
    }
    if let Some(code) = path.strip_prefix("/status/") {
        return code.parse().ok();
    }
    let (name, value) = path.strip_prefix("/needs/")?.split_once('/')?;
    let value = value.replace("%20", " ");
    let has = request
        .headers
        .iter()
        .filter_map(|header| header.split_once(": "))
        .any(|(its_name, its_value)| its_name.eq_ignore_ascii_case(name) && its_value == value);
    if has { None } else { Some(412) }
}

/// Reads a request. Returns `None` if the peer connected and sent nothing.
fn read_request(mut from: impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim_start();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
        headers.push(format!("{name}: {value}"));
    }
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Request {
        method,
        target,
        headers,
        body,
    }))
}
