//! Fuzz target for banners. A search in output that arrives in parts must find the same match, with the same groups, as
//! a search in the whole output.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::command::Place;
use crate::readiness::Start;
use crate::rounds::{Rng, one, rounds, text};
use crate::wait::Deadline;

const LETTERS: [&str; 22] = [
    "a",
    "a",
    "b",
    "b",
    "1",
    "22",
    " ",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "é",
    "ready",
    "\x1b[31m",
    "\x1b[",
    "\x1b]0;a\x07",
    "\x1b",
    "\t",
    "\0",
    "B",
    "port ",
    "xy",
];

const BANNERS: [&str; 24] = [
    "a",
    "ready",
    "^ready$",
    "a.*b",
    "a.*?b",
    r"port (?<port>\d+)",
    r"(?<x>\d+)(?<y>[ab]*)",
    "(?<x>a|ab)(?<y>b?)",
    r"a\b",
    "a$",
    "^a",
    "(?i)B",
    r"\S+ (?<x>\S+)",
    "é",
    ".",
    "",
    "(?<x>a+)(?<y>b+)?",
    "(a$)|(?<x>a)",
    r"(?<x>[^ab]+)a",
    r"\Aa.\z",
    "(?s)a.b",
    r"a\B",
    "x?y",
    r"(?<x>\w+)$",
];

fn context() -> (Context, Arc<Capture>) {
    let capture = Capture::new(protocol::Stream::Stdout, Duration::ZERO).expect("a file");
    let capture = Arc::new(capture);
    let context = Context::new(Start {
        number: 1,
        place: Place::default(),
        command: "x".into(),
        link: None,
        pid: None,
        user: None,
        stdout: Some(Arc::clone(&capture)),
        stderr: None,
        captures: [true, false],
        log: None,
        deadline: Deadline::after(REST),
        captured: Mutex::default(),
        listeners: Mutex::new(BTreeMap::new()),
    });
    (context, capture)
}

/// Returns the captured groups for output that arrives in these parts, or `None` if the banner is not found.
fn found(banner: &str, times: u32, parts: &[&[u8]]) -> Option<Vec<(String, String)>> {
    let check = Output::new(banner).times(times);
    let regex = check.regex.as_ref().expect("a valid banner");
    let ((context, capture), mut scan) = (context(), Scan::default());
    let mut is_found = parts.iter().any(|part| {
        capture.file().write_all(part).expect("room");
        check.is_found(regex, &context, &mut scan, false)
    });
    is_found = is_found || check.is_found(regex, &context, &mut scan, true);
    is_found.then(|| context.all_captured())
}

/// Cuts a text into parts at random positions.
fn parts<'a>(rng: &mut Rng, text: &'a [u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (part, tail) = rest.split_at(rng.usize(1..=rest.len().min(5)));
        parts.push(part);
        rest = tail;
    }
    parts
}

#[test]
fn a_banner_is_found_in_any_chunks_of_output() {
    rounds("banners", |rng| {
        for _ in 0..5 {
            let mut text = text(rng, &LETTERS, 14).into_bytes();
            if rng.u8(..4) == 0 {
                text.insert(rng.usize(..=text.len()), rng.u8(128..));
            }
            let (banner, times) = (one(rng, &BANNERS), rng.u32(1..4));
            let parts = parts(rng, &text);
            let whole = found(banner, times, &[&text]);
            let ended = [&text[..], b"\n"].concat();
            assert!(
                whole == found(banner, times, &parts),
                "{banner:?} {times} {parts:?}"
            );
            // An unfinished last line must give the same result as a finished one.
            if !text.is_empty() && !text.ends_with(b"\n") && !text.ends_with(b"\r") {
                assert_eq!(
                    whole,
                    found(banner, times, &[&ended]),
                    "{banner:?} {times} {parts:?}"
                );
            }
        }
    });
}

/// Between two parts, the caller checks the deadline and the process.
#[test]
fn a_flood_is_searched_in_parts_while_its_process_runs() {
    let (context, capture) = context();
    let lines = "x\n".repeat(400_000);
    capture.file().write_all(lines.as_bytes()).expect("room");
    capture.file().write_all(b"ready\n").expect("room");
    let check = Output::new("ready");
    let regex = check.regex.as_ref().expect("a valid banner");
    let mut scan = Scan::default();
    assert!(!check.is_found(regex, &context, &mut scan, false));
    while !check.is_found(regex, &context, &mut scan, false) {}
}
