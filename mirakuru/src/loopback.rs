//! Provides loopback listeners, and a program that exists on every machine, for unit tests.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

/// Returns a listener on this address, or `None` if the machine has no IPv6.
pub(crate) fn listener(address: &str) -> Option<TcpListener> {
    match TcpListener::bind(address) {
        Err(_) if address.starts_with('[') => None,
        bound => Some(bound.expect("a free port")),
    }
}

/// Returns a listener on a free port, and its address.
pub(crate) fn bound() -> (TcpListener, SocketAddr) {
    let listener = listener("127.0.0.1:0").expect("IPv4");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Returns a command that runs this test binary, which lists its tests and exits.
pub(crate) fn program_that_ends() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.arg("--list").stdout(Stdio::null());
    command
}
