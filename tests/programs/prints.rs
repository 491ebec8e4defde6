//! Prints lines, and then stays or exits.
//!
//! `prints [--delay MS] [--stderr] [--no-newline] [--split] [--then-exit CODE] LINE...`: `\e` in a LINE is the escape
//! byte and `\xHH` any byte. `--no-newline` leaves the last line unfinished, and `--split` writes each byte separately.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{
    io::{self, Write},
    process, thread,
    time::Duration,
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let (mut lines, mut to_stderr, mut newline, mut split, mut exit) =
        (Vec::new(), false, true, false, None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--delay" => {
                let delay = args.next().ok_or("MS is missing")?.parse()?;
                thread::sleep(Duration::from_millis(delay));
            }
            "--stderr" => to_stderr = true,
            "--no-newline" => newline = false,
            "--split" => split = true,
            "--then-exit" => exit = Some(args.next().ok_or("CODE is missing")?.parse()?),
            line => lines.push(unescape(line)),
        }
    }

    let mut bytes = lines.join(&b'\n');
    if newline && !lines.is_empty() {
        bytes.push(b'\n');
    }
    let mut out: Box<dyn Write> = if to_stderr {
        Box::new(io::stderr())
    } else {
        Box::new(io::stdout())
    };
    for piece in bytes.chunks(if split { 1 } else { bytes.len().max(1) }) {
        out.write_all(piece)?;
        out.flush()?;
    }
    if let Some(code) = exit {
        process::exit(code);
    }
    loop {
        thread::park();
    }
}

/// Returns the bytes of a line in which `\e` and `\xHH` are placeholders for bytes that a command line cannot contain.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let hex = after.strip_prefix('x').and_then(|hex| hex.get(..2));
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else if let Some(after) = after.strip_prefix('e') {
            bytes.push(0x1b);
            rest = after;
        } else {
            bytes.push(b'\\');
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
