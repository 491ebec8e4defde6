//! Free ports.
//!
//! A port is picked by a bind on a socket that never listens, so nothing ever answers on it by
//! accident; between its close and the service's own bind another program may take it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};

/// A port that nobody is bound to right now.
pub(crate) fn pick() -> io::Result<u16> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let SocketAddr::V4(any) = any else {
        unreachable!("made of an IPv4 address")
    };
    bind(socket.as_raw_fd(), &SockaddrIn::from(any))?;
    Ok(getsockname::<SockaddrIn>(socket.as_raw_fd())?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picked_port_can_be_bound() {
        let port = pick().expect("a free port");
        assert_ne!(port, 0);
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("nobody took it");
    }
}
