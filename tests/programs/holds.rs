//! Holds the descriptors that it inherited, and so do its children: `holds [CHILDREN]`.
//!
//! Prints `holding` when all of them run.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
};

use crate::{Args, Outcome, again};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let children: usize = args.next().map_or(Ok(0), |count| count.parse())?;

    let mut outputs = Vec::new();
    for _ in 0..children {
        let child = again("holds")?.stdout(Stdio::piped()).spawn()?;
        outputs.extend(child.stdout.map(BufReader::new));
    }
    for output in &mut outputs {
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line != "holding\n" {
            return Err(format!("a child printed {line:?}").into());
        }
    }
    println!("holding");
    loop {
        thread::park();
    }
}
