//! Listeners on this machine's own addresses, and a program that every machine has, for unit tests.

use std::net::TcpListener;
use std::process::{Command, Stdio};

/// `None` where the machine has no IPv6.
pub(crate) fn listener(address: &str) -> Option<TcpListener> {
    match TcpListener::bind(address) {
        Err(_) if address.starts_with('[') => None,
        bound => Some(bound.expect("a free port")),
    }
}

/// This program, which lists its tests and ends.
pub(crate) fn program_that_ends() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.arg("--list").stdout(Stdio::null());
    command
}
