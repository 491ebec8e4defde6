//! Parses listening TCP sockets from the answer of `PROC_PIDFDSOCKETINFO`: `struct socket_fdinfo` of XNU's
//! `bsd/sys/proc_info.h`.
//!
//! The size and the offsets of the structure are the same on both of its processors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The size of the structure.
pub(in crate::sys) const SIZE: usize = 792;
/// The offset of `psi.soi_kind`, after `struct proc_fileinfo` of 24 bytes. The next constant is its value for TCP.
const KIND: usize = 24 + 232;
const SOCKINFO_TCP: i32 = 2;
/// The offset of `psi.soi_proto.pri_tcp`, which begins with a `struct in_sockinfo` of 80 bytes.
const TCP: usize = 24 + 240;
/// The offset of `insi_lport`: in network byte order, in the lower half of an integer.
const LOCAL_PORT: usize = TCP + 4;
/// The offset of `insi_vflag`: `INI_IPV4`, `INI_IPV6`, or both.
const VERSIONS: usize = TCP + 24;
const INI_IPV4: u8 = 1;
const INI_IPV6: u8 = 2;
/// The offset of `insi_laddr`: 16 bytes, of which the last four are an IPv4 address.
const LOCAL_ADDRESS: usize = TCP + 48;
/// The offset of `tcpsi_state`. The next constant is its value for a listening socket.
const STATE: usize = TCP + 80;
const TSI_S_LISTEN: i32 = 1;

/// The address on which a socket listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) struct Listening {
    pub(in crate::sys) address: SocketAddr,
    /// Whether an IPv6 socket accepts IPv4 connections, too.
    is_dual: bool,
}

impl Listening {
    /// Parses the address on which this socket listens. Returns `None` if it does not listen, or is not a TCP socket.
    pub(in crate::sys) fn read(reported: &[u8; SIZE]) -> Option<Self> {
        let number = |at: usize| {
            reported[at..]
                .first_chunk()
                .map(|bytes| i32::from_ne_bytes(*bytes))
        };
        if number(KIND) != Some(SOCKINFO_TCP) || number(STATE) != Some(TSI_S_LISTEN) {
            return None;
        }
        let port = u16::from_be_bytes(*reported[LOCAL_PORT..].first_chunk()?);
        let bytes: &[u8; 16] = reported[LOCAL_ADDRESS..].first_chunk()?;
        let is_6 = reported[VERSIONS] & INI_IPV6 != 0;
        let ip = if is_6 {
            IpAddr::from(*bytes)
        } else {
            IpAddr::from(*bytes.last_chunk::<4>()?)
        };
        Some(Self {
            address: SocketAddr::new(ip, port),
            is_dual: is_6 && reported[VERSIONS] & INI_IPV4 != 0,
        })
    }

    /// Returns how closely this socket fits a connection to an address, or `None` if it does not fit. The closest
    /// socket gets the connection.
    fn fits(self, asked: SocketAddr) -> Option<u8> {
        let (own, ip) = (self.address.ip().to_canonical(), asked.ip().to_canonical());
        if self.address.port() != asked.port() {
            return None;
        }
        match own {
            _ if own == ip => Some(2),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) if ip.is_ipv4() => Some(1),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if ip.is_ipv6() => Some(1),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if self.is_dual => Some(0),
            _ => None,
        }
    }
}

/// Returns the holders of the socket that a connection to this address would reach.
pub(in crate::sys) fn reached<T>(
    all: impl IntoIterator<Item = (T, Listening)>,
    asked: SocketAddr,
) -> Vec<T> {
    let fitting = all
        .into_iter()
        .filter_map(|(holder, socket)| Some((socket.fits(asked)?, holder)));
    let fitting: Vec<_> = fitting.collect();
    let closest = fitting.iter().map(|(fit, _)| *fit).max();
    let fitting = fitting.into_iter().filter(|(fit, _)| Some(*fit) == closest);
    fitting.map(|(_, holder)| holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(versions: u8, address: [u8; 16], port: u16) -> [u8; SIZE] {
        let mut reported = [0; SIZE];
        let mut put =
            |at: usize, bytes: &[u8]| reported[at..at + bytes.len()].copy_from_slice(bytes);
        put(256, &2_i32.to_ne_bytes());
        put(268, &port.to_be_bytes());
        put(288, &[versions]);
        put(312, &address);
        put(344, &1_i32.to_ne_bytes());
        reported
    }

    fn socket(text: &str, is_dual: bool) -> Listening {
        let address = text.parse().expect("an address");
        Listening { address, is_dual }
    }

    #[test]
    fn a_socket_that_listens_is_read_with_its_versions() {
        let mut of_4 = [0; 16];
        of_4[12..].copy_from_slice(&[127, 0, 0, 1]);
        let read = |reported: [u8; SIZE]| Listening::read(&reported);
        let expected = Some(socket("127.0.0.1:16411", false));
        assert_eq!(read(reported(INI_IPV4, of_4, 16411)), expected);
        let of_6 = Ipv6Addr::LOCALHOST.octets();
        let expected = Some(socket("[::1]:80", false));
        assert_eq!(read(reported(INI_IPV6, of_6, 80)), expected);
        let expected = Some(socket("[::]:80", true));
        assert_eq!(read(reported(INI_IPV4 | INI_IPV6, [0; 16], 80)), expected);
        for (at, other) in [(256, 1), (344, 4)] {
            let mut reported = reported(INI_IPV4, of_4, 80);
            reported[at] = other;
            assert_eq!(read(reported), None);
        }
    }

    #[test]
    fn the_closest_socket_gets_a_connection() {
        let all = [
            ("exact", socket("127.0.0.1:80", false)),
            ("any of 4", socket("0.0.0.0:80", false)),
            ("all", socket("[::]:80", true)),
            ("any of 6", socket("[::]:81", false)),
            ("all of 81", socket("[::]:82", true)),
        ];
        let reached = |text: &str| reached(all, text.parse().expect("an address"));
        assert_eq!(reached("127.0.0.1:80"), ["exact"]);
        assert_eq!(reached("127.0.0.2:80"), ["any of 4"]);
        assert_eq!(reached("[::ffff:127.0.0.1]:80"), ["exact"]);
        assert_eq!(reached("[::1]:80"), ["all"]);
        assert!(reached("127.0.0.1:81").is_empty());
        assert_eq!(reached("127.0.0.1:82"), ["all of 81"]);
    }
}
