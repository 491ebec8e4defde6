//! Accepts TCP connections, and never answers nor closes one: `blackhole PORT`.
//!
//! Prints `listening` once it does.

use std::{env, error::Error, net::TcpListener};

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::args().nth(1).ok_or("PORT is missing")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening");
    let mut held = Vec::new();
    loop {
        held.push(listener.accept()?);
    }
}
