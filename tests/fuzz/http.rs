//! Fuzz target for the HTTP check, with hostile servers. An invalid answer must not make the check ready, and the check
//! must end at its deadline.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use regex::bytes::Regex;

use super::*;
use crate::command::Place;
use crate::mutate::mutate;
use crate::readiness::Start;
use crate::rounds::{Rng, one, rounds};
use crate::wait::{Deadline, pause};

/// The time that a check may take beyond its deadline on a busy machine.
const SLACK: Duration = Duration::from_secs(10);
/// The number of bytes by which a check may increase the memory of the process.
const MEMORY: u64 = 256 << 20;
const PAUSE: Duration = Duration::from_millis(5);

/// The behaviour of a server for one connection.
struct Behaviour {
    listens: bool,
    answer: Vec<u8>,
    /// The server sends the answer in parts of this many bytes, and pauses now and then.
    part: usize,
    /// Whether the server sends the last part again and again.
    endless: bool,
    /// Whether the server keeps the connection open until the check is over.
    lingers: bool,
}

fn line(rng: &mut Rng) -> String {
    let lines = [
        "content-length: 3",
        "content-length: 0",
        "content-length: -1",
        "content-length: 99999999999999999999",
        "content-length: 3, 4",
        "transfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "location: /",
        "location: http://127.0.0.1:1/%",
        "location: \\\\",
        "connection: keep-alive",
        "connection: upgrade",
        "upgrade: h2c",
        "no colon",
        " folded",
        ": nameless",
        "a: \u{1}",
        "é: é",
        "",
        "date",
    ];
    if rng.u8(..20) == 0 {
        return format!("x: {}", "y".repeat(rng.usize(..300_000)));
    }
    one(rng, &lines).to_owned()
}

fn behaviour(rng: &mut Rng) -> Behaviour {
    let statuses = [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 204 No Content",
        "HTTP/1.0 299",
        "HTTP/1.1 200",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20",
        "HTTP/1.1  200 OK",
        "HTTP/9.9 200 OK",
        "ICY 200 OK",
        "200 OK",
        "HTTP/1.1 100 Continue",
        "HTTP/1.1 101 Switching",
        "HTTP/1.1 302 Found",
        "HTTP/1.1 404",
        "HTTP/1.1 405 No",
        "HTTP/1.1 503 No",
        "HTTP/1.1 000",
        "HTTP/1.1 999 No",
        "PRI * HTTP/2.0",
        "",
    ];
    let end = one(rng, &["\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let mut answer = String::new();
    for _ in 0..rng.usize(1..3) {
        answer += one(rng, &statuses);
        answer += end;
        for _ in 0..[rng.usize(..4), 200][usize::from(rng.u8(..30) == 0)] {
            answer += &line(rng);
            answer += end;
        }
        answer += one(rng, &[end, end, ""]);
        answer += one(
            rng,
            &[
                "",
                "abc",
                "3\r\nabc\r\n0\r\n\r\n",
                "ffffffffffffffff\r\n",
                "-1\r\n",
            ],
        );
    }
    let mut answer = answer.into_bytes();
    if rng.u8(..4) == 0 {
        mutate(rng, &mut answer);
    }
    if rng.u8(..16) == 0 {
        rng.fill(&mut answer);
    }
    Behaviour {
        listens: rng.u8(..6) > 0,
        answer,
        part: [1_usize, 7, 100_000][rng.usize(..3)],
        endless: rng.u8(..6) == 0,
        lingers: rng.bool(),
    }
}

/// Serves one connection. Returns the bytes that were sent, including a last part that the client did not stay for.
fn serve(mut client: TcpStream, behaviour: &Behaviour, over: &AtomicBool) -> Vec<u8> {
    let _ = client.set_write_timeout(Some(Duration::from_millis(20)));
    let _ = client.set_read_timeout(Some(Duration::from_millis(20)));
    if behaviour.listens {
        let _ = client.read(&mut [0; 4096]);
    }
    let mut sent = Vec::new();
    let parts = behaviour.answer.chunks(behaviour.part).enumerate();
    for (at, part) in parts {
        sent.extend_from_slice(part);
        if over.load(Ordering::Relaxed) || client.write_all(part).is_err() {
            return sent;
        }
        if at % 50 == 49 {
            pause(PAUSE);
        }
    }
    let last = behaviour
        .answer
        .chunks(behaviour.part)
        .last()
        .unwrap_or(b"x");
    if behaviour.endless {
        // Further repetitions do not change how the answer is read.
        (0..3).for_each(|_| sent.extend_from_slice(last));
        while !over.load(Ordering::Relaxed) && client.write_all(last).is_ok() {}
    }
    while behaviour.lingers && !over.load(Ordering::Relaxed) {
        pause(PAUSE);
    }
    sent
}

fn context(deadline: Duration) -> Context {
    Context::new(Start {
        number: 1,
        place: Place::default(),
        command: "x".into(),
        link: None,
        pid: None,
        user: None,
        stdout: None,
        stderr: None,
        captures: [false, false],
        log: None,
        deadline: Deadline::after(deadline),
        captured: Mutex::default(),
        listeners: Mutex::default(),
    })
}

/// Returns the resident memory of this process, or 0 if the system does not report it.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    resident.unwrap_or(0_u64) * 4096
}

#[test]
fn no_hostile_server_makes_a_check_ready_or_hang() {
    // Interim answers may come first, and line ends may come before each.
    let begin = r"(?s-u)\A(?:[\r\n]*HTTP/1\.[01] 1\d\d.*?\n\r?\n)*[\r\n]*";
    let good = Regex::new(&format!(
        r"{begin}HTTP/1\.[01] 2\d\d(?:[ \t][^\n]*)?\r?\n(?:.*\n)?\r?\n"
    ))
    .expect("valid");
    rounds("http", |rng| {
        let behaviours = [behaviour(rng), behaviour(rng)];
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let bound = Duration::from_millis(rng.u64(20..200));
        let (over, before) = (AtomicBool::new(false), memory());
        thread::scope(|scope| {
            let server = scope.spawn(|| {
                // The check sends HEAD, then GET. A connection without a request ends the server.
                let mut clients = behaviours.iter().map(|behaviour| {
                    let (client, _) = listener.accept().expect("a client");
                    if over.load(Ordering::Relaxed) {
                        Vec::new()
                    } else {
                        serve(client, behaviour, &over)
                    }
                });
                [clients.next(), clients.next()]
            });
            let (check, begin) = (Http::new(format!("http://{address}/")), Instant::now());
            let outcome = check.after_start_check(&context(bound));
            let (time, after) = (begin.elapsed(), memory());
            over.store(true, Ordering::Relaxed);
            let _ends = [(); 2].map(|()| TcpStream::connect(address));
            let sent = server.join().expect("no panic");
            let shown = || {
                sent.iter()
                    .flatten()
                    .map(|sent| String::from_utf8_lossy(&sent[..sent.len().min(999)]))
                    .collect::<Vec<_>>()
            };
            assert!(time < bound + SLACK, "{time:?} of {bound:?}: {:?}", shown());
            assert!(after < before + MEMORY, "{before} {after}: {:?}", shown());
            let is_good = sent.iter().flatten().any(|sent| good.is_match(sent));
            assert!(outcome.is_err() || is_good, "{:?}", shown());
        });
    });
}
