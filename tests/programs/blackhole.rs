//! Accepts TCP connections, and never answers or closes one: `blackhole PORT`.
//!
//! Prints `listening` once it listens.

use std::net::TcpListener;

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let port: u16 = args.next().ok_or("PORT is missing")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening");
    let mut held = Vec::new();
    loop {
        held.push(listener.accept()?);
    }
}
