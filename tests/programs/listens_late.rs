//! Listens on a TCP port after a delay and drops every connection: `listens_late PORT [DELAY_MS] [HOST=127.0.0.1]`.
//!
//! Prints `listening` once it listens. SIGTERM ends it, as is the default.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{net::TcpListener, thread, time::Duration};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let port: u16 = args.next().ok_or("PORT is missing")?.parse()?;
    let delay: u64 = args.next().map_or(Ok(0), |ms| ms.parse())?;
    let host = args.next().unwrap_or_else(|| "127.0.0.1".to_owned());

    thread::sleep(Duration::from_millis(delay));
    let listener = TcpListener::bind((host.as_str(), port))?;
    println!("listening");
    loop {
        drop(listener.accept());
    }
}
