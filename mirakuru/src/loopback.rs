//! Listeners on this machine's own addresses, for unit tests.

use std::net::TcpListener;

/// `None` where the machine has no IPv6.
pub(crate) fn listener(address: &str) -> Option<TcpListener> {
    match TcpListener::bind(address) {
        Err(_) if address.starts_with('[') => None,
        bound => Some(bound.expect("a free port")),
    }
}
