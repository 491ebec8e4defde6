//! Finds out whether a port is free.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket,
    sockopt::Ipv6V6Only,
};

/// Returns whether no socket is bound to this TCP port, on either address family. The port is bound for a
/// moment on a socket that never listens, so no client meets an answer by accident.
pub(crate) fn is_free(port: u16) -> bool {
    let wildcards = [
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)),
    ];
    wildcards.into_iter().all(|address| match bound(address) {
        // A machine may lack one of the families.
        Ok(()) | Err(nix::Error::EAFNOSUPPORT | nix::Error::EADDRNOTAVAIL) => true,
        Err(_) => false,
    })
}

fn bound(address: SocketAddr) -> nix::Result<()> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    if address.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
}
