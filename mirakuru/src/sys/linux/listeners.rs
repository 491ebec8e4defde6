//! Who listens on a port: `NETLINK_SOCK_DIAG` (`sock_diag(7)`) asked for one listener, and its
//! inode looked for in `/proc/PID/fd`.
//!
//! The exact question costs a few microseconds, disturbs no server with an empty connection, and
//! its answer carries the listener's inode.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use nix::unistd::Pid;

use super::descendants::command_line;

/// Layout of `<linux/netlink.h>` and `<linux/inet_diag.h>`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
/// `inet_diag_msg.idiag_inode`, from the start of the answer.
const INODE: usize = HEADER + 68;

/// Asks this network namespace who listens, as often as one likes.
#[derive(Debug)]
pub(crate) struct Listeners(OwnedFd);

impl Listeners {
    /// `None` where the kernel cannot be asked: connect instead.
    pub(crate) fn open() -> Option<Self> {
        let (family, kind) = (AddressFamily::Netlink, SockType::Datagram);
        let protocol = SockProtocol::NetlinkSockDiag;
        socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)
            .ok()
            .map(Self)
    }

    /// Whether somebody listens at this loopback address; `None` where the kernel does not say.
    pub(crate) fn any_at(&self, addr: SocketAddr) -> Option<bool> {
        if !addr.ip().is_loopback() {
            return None;
        }
        self.inode_at(addr).ok().map(|inode| inode.is_some())
    }

    /// The inode of the listener that a connection to this address would reach.
    fn inode_at(&self, addr: SocketAddr) -> nix::Result<Option<u32>> {
        send(self.0.as_raw_fd(), &question(addr), MsgFlags::empty())?;
        let mut answer = [0_u8; 512];
        // The answer is there when the question has been sent.
        let len = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        Ok(inode_of(&answer[..len]))
    }
}

/// Who listens on this port of the loopback interface, for people: pid and command.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let listeners = Listeners::open()?;
    let loopbacks = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    let inode = loopbacks
        .into_iter()
        .find_map(|ip| listeners.inode_at(SocketAddr::new(ip, port)).ok().flatten())?;
    let pid = holder_of_inode(inode)?;
    Some(format!("pid {pid}: {}", command_line(pid)))
}

/// An `inet_diag_req_v2` without `NLM_F_DUMP`: the kernel looks up one socket as it would for a
/// packet from nowhere to this address, which finds listeners on it and on the wildcard.
fn question(addr: SocketAddr) -> [u8; REQUEST] {
    let mut request = [0_u8; REQUEST];
    let (family, address) = match addr.ip() {
        IpAddr::V4(ip) => (AddressFamily::Inet, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AddressFamily::Inet6, ip.octets().to_vec()),
    };
    let family = u8::try_from(family as i32).unwrap_or_default();
    put(
        &mut request,
        0,
        &u32::try_from(REQUEST).unwrap_or_default().to_ne_bytes(),
    );
    put(&mut request, 4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&mut request, 6, &NLM_F_REQUEST.to_ne_bytes());
    put(&mut request, HEADER, &[family, TCP]);
    // Every state: the exact question ignores them.
    put(&mut request, HEADER + 4, &u32::MAX.to_ne_bytes());
    put(&mut request, HEADER + 8, &addr.port().to_be_bytes());
    put(&mut request, HEADER + 12, &address);
    // INET_DIAG_NOCOOKIE: whatever socket is found.
    put(&mut request, HEADER + 48, &[0xff; 8]);
    request
}

fn put(request: &mut [u8], at: usize, bytes: &[u8]) {
    request[at..at + bytes.len()].copy_from_slice(bytes);
}

fn inode_of(answer: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let state = *answer.get(HEADER + 1)?;
    if kind != SOCK_DIAG_BY_FAMILY || state != TCP_LISTEN {
        return None;
    }
    answer
        .get(INODE..INODE + 4)?
        .try_into()
        .ok()
        .map(u32::from_ne_bytes)
}

/// The first process that has the socket open, as far as this user may look.
fn holder_of_inode(inode: u32) -> Option<Pid> {
    let wanted = format!("socket:[{inode}]");
    let holds = |entry: &fs::DirEntry| {
        fs::read_dir(entry.path().join("fd")).is_ok_and(|fds| {
            fds.flatten()
                .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == &*wanted))
        })
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry).then(|| Pid::from_raw(pid))
    });
    pids.next()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_seen_with_its_holder_and_its_end_too() {
        let listeners = Listeners::open().expect("Linux can be asked");
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(address).expect("a free port");
            let port = listener.local_addr().expect("bound").port();
            let asked: SocketAddr = if address.starts_with('[') {
                (Ipv6Addr::LOCALHOST, port).into()
            } else {
                (Ipv4Addr::LOCALHOST, port).into()
            };
            assert_eq!(listeners.any_at(asked), Some(true), "{address}");
            let holder = holder_of_port(port).expect("held by this process");
            assert!(
                holder.starts_with(&format!("pid {}: ", std::process::id())),
                "{holder}"
            );
            drop(listener);
            assert_eq!(listeners.any_at(asked), Some(false), "{address}");
        }
    }
}
