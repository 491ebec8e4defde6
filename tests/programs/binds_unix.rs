//! Listens on a Unix socket after a delay and drops every connection: `binds_unix PATH [DELAY_MS]`.
//!
//! Removes a stale file at PATH before it binds, and prints `listening` once it listens.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{fs, os::unix::net::UnixListener, thread, time::Duration};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let path = args.next().ok_or("PATH is missing")?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;

    thread::sleep(Duration::from_millis(delay));
    // Usually there is no stale file, and this fails.
    drop(fs::remove_file(&path));
    let listener = UnixListener::bind(&path)?;
    println!("listening");
    loop {
        drop(listener.accept());
    }
}
