//! Keeps a shared lock on FILE, with children that each keep one too: `holds FILE [CHILDREN]`.
//!
//! Prints `holding` when all of them do. Who gets the exclusive lock knows that all are gone.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
};

use nix::fcntl::{Flock, FlockArg};

use crate::{Args, Outcome, again};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let path = args.next().ok_or("FILE is missing")?;
    let children: usize = args.next().map_or(Ok(0), |count| count.parse())?;

    let file = OpenOptions::new().append(true).create(true).open(&path)?;
    let _held = Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno)?;
    let mut outputs = Vec::new();
    for _ in 0..children {
        let mut command = again("holds")?;
        let child = command.args([&path, "0"]).stdout(Stdio::piped()).spawn()?;
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
