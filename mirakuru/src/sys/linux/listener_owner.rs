//! Who listens on a port: `NETLINK_SOCK_DIAG` (`sock_diag(7)`) asked for one listener, and its
//! inode looked for in what processes have open.
//!
//! The exact question costs a few microseconds, disturbs no server with an empty connection, and
//! its answer carries the listener's inode.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use nix::unistd::{Pid, geteuid};

use super::descendants::{command_line, descendants_of, is_below, proc_stat, processes, program};
use super::open_files::open_files;
use super::process::peer;
use crate::sys::ListenerOwner;

/// Layout of `<linux/netlink.h>` and `<linux/inet_diag.h>`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
/// `inet_diag_msg.idiag_inode`, from the start of the answer.
const INODE: usize = HEADER + 68;
/// `inet_diag_msg.idiag_uid`.
const UID: usize = HEADER + 64;

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

    /// Whether a socket listens at this address; `None` if the kernel does not say, or if the address is not
    /// one of this network namespace.
    pub(crate) fn any_at(&self, addr: SocketAddr) -> Option<bool> {
        self.found_at(addr).ok().map(|found| found.is_some())
    }

    /// The listener that a connection to this address would reach. An address that this namespace does not have
    /// is an error: a listener on all addresses would be found for it too.
    fn found_at(&self, addr: SocketAddr) -> nix::Result<Option<Listener>> {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if !is_own(addr.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        send(self.0.as_raw_fd(), &question(addr), MsgFlags::empty())?;
        let mut answer = [0_u8; 512];
        // The answer is there when the question has been sent.
        let len = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        Ok(listener_in(&answer[..len]))
    }
}

/// Whether this network namespace has the address: only then a socket can be bound to it.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Who listens on this port of the loopback interface, for people: pid and command.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let listeners = Listeners::open()?;
    let found_at = |ip| listeners.found_at(SocketAddr::new(ip, port)).ok()?;
    let found = found_at(Ipv4Addr::LOCALHOST.into());
    let found = found.or_else(|| found_at(Ipv6Addr::LOCALHOST.into()))?;
    holder_of_inode(found.inode).map(described)
}

/// Whose listener a connection to this address reaches, seen from the tree of a supervisor: of its
/// main process most often, which is looked at first.
pub(crate) fn owner_of_listener(addr: SocketAddr, main: Pid, supervisor: Pid) -> ListenerOwner {
    let asked = Listeners::open().map(|listeners| listeners.found_at(addr));
    let found = match asked {
        Some(Ok(Some(found))) => found,
        Some(Ok(None)) => return ListenerOwner::Unclaimed,
        Some(Err(_)) | None => return ListenerOwner::Unknown,
    };
    let mut is_hidden = false;
    for pid in [main]
        .into_iter()
        .chain(descendants_of(supervisor).into_iter().map(|one| one.pid))
    {
        match holds(pid, found.inode) {
            Some(true) => return ListenerOwner::Ours(pid),
            Some(false) => {}
            None => is_hidden = true,
        }
    }
    // One that has just lost its parent may have been in neither list of children.
    let holder = holder_of_inode(found.inode);
    if let Some(pid) = holder.filter(|pid| is_below(*pid, supervisor)) {
        return ListenerOwner::Ours(pid);
    }
    match outside(found, holder) {
        // A process of the tree hides what it has open, as one of another user does. It may have the listener
        // too, also if another process is seen to have it, which may have passed it on.
        _ if is_hidden => ListenerOwner::Unknown,
        ListenerOwner::Unknown => {
            ListenerOwner::Stranger(format!("a process of another user (uid {})", found.uid))
        }
        whose => whose,
    }
}

/// Whether what listens at this address does so for a moment only.
pub(crate) fn is_unclaimed(addr: SocketAddr) -> bool {
    let asked = Listeners::open().and_then(|listeners| listeners.found_at(addr).ok().flatten());
    asked.is_some_and(|found| {
        outside(found, holder_of_inode(found.inode)) == ListenerOwner::Unclaimed
    })
}

/// Whose listener a Unix socket is connected to: the kernel keeps who called `listen` (`unix(7)`). If that
/// process has ended it is passing, as it may have left the listener to others of the tree.
pub(crate) fn owner_of_peer(stream: &impl AsFd, supervisor: Pid) -> ListenerOwner {
    let Some(listener) = peer(stream).filter(|pid| pid.as_raw() > 0 && *pid != Pid::this()) else {
        // It is not connected, or that process is in another pid namespace; or this one hands it on.
        return ListenerOwner::Unknown;
    };
    let stat = proc_stat(listener);
    let lives = stat.is_some_and(|stat| !stat.zombie);
    if lives && is_below(listener, supervisor) {
        return ListenerOwner::Ours(listener);
    }
    match lives {
        true => ListenerOwner::Stranger(described(listener)),
        false if has_ended(listener) => ListenerOwner::Unclaimed,
        false => ListenerOwner::Unknown,
    }
}

/// Whose a listener is that no process of the tree is seen to have.
fn outside(found: Listener, holder: Option<Pid>) -> ListenerOwner {
    match holder {
        Some(pid) if is_fork_of_this(pid) => ListenerOwner::Unclaimed,
        Some(pid) => ListenerOwner::Stranger(described(pid)),
        None if found.uid != geteuid().as_raw() => ListenerOwner::Unknown,
        None => ListenerOwner::Unclaimed,
    }
}

/// A fork of this process that has not become its program yet keeps open for a moment what was
/// closed here.
fn is_fork_of_this(pid: Pid) -> bool {
    let parent = proc_stat(pid).map(|stat| stat.parent);
    parent == Some(Pid::this()) && program(pid) == program(Pid::this())
}

fn described(pid: Pid) -> String {
    format!("pid {pid}: {}", command_line(pid))
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
    let len = u32::try_from(REQUEST).unwrap_or_default();
    put(&mut request, 0, &len.to_ne_bytes());
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

/// What the kernel tells of a listener.
#[derive(Clone, Copy)]
struct Listener {
    inode: u32,
    /// The user that made it.
    uid: u32,
}

fn listener_in(answer: &[u8]) -> Option<Listener> {
    let number = |at: usize| {
        let bytes = answer.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let state = *answer.get(HEADER + 1)?;
    if kind != SOCK_DIAG_BY_FAMILY || state != TCP_LISTEN {
        return None;
    }
    Some(Listener {
        inode: number(INODE)?,
        uid: number(UID)?,
    })
}

/// Whether this process has the socket open; `None` where it may not be looked at.
fn holds(pid: Pid, inode: u32) -> Option<bool> {
    let wanted = format!("socket:[{inode}]");
    match open_files(pid) {
        Ok(open) => Some(open.iter().any(|to| to.as_os_str() == wanted.as_str())),
        Err(_) => has_ended(pid).then_some(false),
    }
}

/// Whether a process has ended. It may be hidden in `/proc`, and then it still takes a signal or refuses it.
pub(crate) fn has_ended(pid: Pid) -> bool {
    proc_stat(pid).map_or_else(|| kill(pid, None) == Err(Errno::ESRCH), |stat| stat.zombie)
}

/// The first process that has the socket open, as far as this user may look.
fn holder_of_inode(inode: u32) -> Option<Pid> {
    let mut pids = processes();
    pids.find(|pid| holds(*pid, inode) == Some(true))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::loopback;
    use crate::wait::Deadline;

    #[test]
    fn a_listener_is_seen_with_its_holder_and_its_end_too() {
        let listeners = Listeners::open().expect("Linux can be asked");
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Some(listener) = loopback::listener(address) else {
                continue;
            };
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
            // A fork of another thread has it too, until it runs its own program.
            let bound = Deadline::after(Duration::from_secs(10));
            while listeners.any_at(asked) != Some(false) {
                assert!(!bound.has_passed(), "{address}");
                std::thread::yield_now();
            }
        }
    }
}
