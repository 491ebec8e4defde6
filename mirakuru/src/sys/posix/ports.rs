//! Checks whether a port is free, and connects to ports.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket,
    sockopt::Ipv6V6Only,
};

/// Returns whether this machine can reach itself, which needs a loopback interface that is up and has an address. Sends
/// nothing.
pub(crate) fn loopback_is_up() -> bool {
    let routes = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    ];
    let reaches = |(from, to): (IpAddr, IpAddr)| {
        // Connecting a datagram socket only looks up a route.
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect((to, 9))
    };
    let is_unreachable = |error: &io::Error| error.kind() == ErrorKind::NetworkUnreachable;
    let results = routes.map(|route| reaches(route).err());
    // Any other error has no relation to the interface.
    !results[0].as_ref().is_some_and(is_unreachable) || results[1].is_none()
}

/// Returns whether no socket is bound to this TCP port, in either address family. The check binds the port briefly with
/// a socket that never listens, so no client connects by accident.
pub(crate) fn is_free(port: u16) -> bool {
    let wildcards = [
        (AddressFamily::Inet, (Ipv4Addr::UNSPECIFIED, port).into()),
        (AddressFamily::Inet6, (Ipv6Addr::UNSPECIFIED, port).into()),
    ];
    let mut bound = wildcards
        .into_iter()
        .map(|(family, at)| bind_at(family, at));
    bound.all(|bound| match bound {
        // A machine may lack one of the families.
        Ok(()) | Err(nix::Error::EAFNOSUPPORT | nix::Error::EADDRNOTAVAIL) => true,
        Err(_) => false,
    })
}

fn bind_at(family: AddressFamily, address: SocketAddr) -> nix::Result<()> {
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    if address.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
}

/// Connects to an address within this time.
pub(crate) fn connect(address: SocketAddr, wait: Duration) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, wait)
}
