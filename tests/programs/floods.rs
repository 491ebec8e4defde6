//! Writes BYTES bytes of lines to its output as fast as it can, and stays.
//!
//! `floods BYTES [--before LINE] [--then LINE]`.

use std::{
    io::{self, Write},
    thread,
};

use crate::{Args, Outcome};

const LINE: &[u8] = b"a line of sixty-four bytes, which is written again and again...\n";

pub(crate) fn run(args: &mut Args) -> Outcome {
    let mut left: usize = args.next().ok_or("BYTES is missing")?.parse()?;
    let (mut before, mut then) = (None, None);
    while let Some(option) = args.next() {
        match option.as_str() {
            "--before" => before = args.next(),
            "--then" => then = args.next(),
            _ => return Err(format!("unknown option {option}").into()),
        }
    }

    let mut out = io::stdout().lock();
    if let Some(line) = before {
        writeln!(out, "{line}")?;
    }
    let block = LINE.repeat(1024);
    while left > 0 {
        // The last block is cut, and still ends with a newline.
        let size = left.min(block.len());
        out.write_all(&block[..size - 1])?;
        out.write_all(b"\n")?;
        left -= size;
    }
    if let Some(line) = then {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    loop {
        thread::park();
    }
}
