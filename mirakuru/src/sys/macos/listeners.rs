//! Finds the owner of a listener: the processes that have it open, and the ancestors of these processes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::LocalPeerPid};

use super::processes::{command_line, has_ended, kin, proc_stat, processes, program_name};
use super::sockets::listening_of;
use crate::sys::xnu::lineage::{Kin, Origin, below, origin};
use crate::sys::xnu::sockets::reached;
use crate::sys::{ListenerOwner, Pid};

/// A view of the listeners of this machine.
#[derive(Debug)]
pub(crate) struct Listeners;

impl Listeners {
    pub(crate) fn open() -> Option<Self> {
        Some(Self)
    }

    /// Returns whether a socket listens at this address, as far as this user may see it. Returns `None` if the address
    /// does not belong to this machine.
    pub(crate) fn any_at(&self, addr: SocketAddr) -> Option<bool> {
        is_own(addr.ip()).then(|| !holders_at(addr).is_empty())
    }
}

/// Returns whether this machine has the address: a socket can be bound only to an address of the machine.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Returns the processes that hold the listener that a connection to this address would reach.
fn holders_at(addr: SocketAddr) -> Vec<Pid> {
    let all = processes().into_iter();
    let all = all.flat_map(|pid| {
        listening_of(pid)
            .into_iter()
            .map(move |socket| (pid, socket))
    });
    reached(all, addr)
}

/// Returns a human-readable description of the process that listens on this loopback port: pid and command.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let found_at = |ip: IpAddr| holders_at((ip, port).into()).first().copied();
    let found = found_at(Ipv4Addr::LOCALHOST.into());
    found
        .or_else(|| found_at(Ipv6Addr::LOCALHOST.into()))
        .map(described)
}

/// Returns the owner of the listener that a connection to this address reaches, as seen from the tree of a supervisor.
pub(crate) fn owner_of_listener(addr: SocketAddr, main: Pid, supervisor: Pid) -> ListenerOwner {
    let holders = holders_at(addr);
    if holders.contains(&main) {
        return ListenerOwner::Ours(main);
    }
    if holders.is_empty() {
        return unseen(addr);
    }
    let all = all_kin();
    let owner = |holder| owner_by_descent(holder, supervisor, &all);
    let mut found: Vec<_> = holders.into_iter().map(owner).collect();
    // Several processes may share a listener. One of the tree may have passed it on to an unrelated process.
    let closest = |owner: &ListenerOwner| match owner {
        ListenerOwner::Ours(_) => 0,
        ListenerOwner::Unknown => 1,
        ListenerOwner::Stranger(_) => 2,
        ListenerOwner::Unclaimed => 3,
    };
    found.sort_by_key(closest);
    found.swap_remove(0)
}

/// Returns the owner of a listener that no visible process holds: it belongs to another user, or was closed.
fn unseen(addr: SocketAddr) -> ListenerOwner {
    /// The time that a refused connection may take.
    const REFUSAL: Duration = Duration::from_millis(5);
    match TcpStream::connect_timeout(&addr, REFUSAL) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            ListenerOwner::Unclaimed
        }
        _ => ListenerOwner::Unknown,
    }
}

/// Returns the owner of a listener that this process holds. If an ancestor of the process has ended, the owner is
/// unknown, as that ancestor may have belonged to the tree.
fn owner_by_descent(process: Pid, supervisor: Pid, all: &[Kin]) -> ListenerOwner {
    match origin(all, process, supervisor, Pid::this()) {
        Origin::Below => ListenerOwner::Ours(process),
        Origin::Unknown => ListenerOwner::Unknown,
        Origin::Elsewhere if is_fork_of_this(process) => ListenerOwner::Unclaimed,
        Origin::Elsewhere => ListenerOwner::Stranger(described(process)),
    }
}

fn all_kin() -> Vec<Kin> {
    processes().into_iter().filter_map(kin).collect()
}

/// Returns whether only forks of this process hold the listener at this address, which they do for a moment.
pub(crate) fn is_unclaimed(addr: SocketAddr) -> bool {
    let holders = holders_at(addr);
    !holders.is_empty() && holders.into_iter().all(is_fork_of_this)
}

/// Returns whether this is a fork of this process that has not executed its program yet. Such a fork keeps open for a
/// moment what this process has closed.
fn is_fork_of_this(pid: Pid) -> bool {
    let parent = proc_stat(pid).map(|stat| stat.parent);
    parent == Some(Pid::this()) && program_name(pid) == program_name(Pid::this())
}

/// Returns the owner of the listener that a Unix socket is connected to.
///
/// The kernel records the process that used the listener last (`LOCAL_PEERPID` of `<sys/un.h>`). If that process has
/// ended, the owner is unclaimed: the process may have left the listener to others of the tree.
pub(crate) fn owner_of_peer(stream: &impl AsFd, supervisor: Pid) -> ListenerOwner {
    let listener = getsockopt(stream, LocalPeerPid).ok().map(Pid::from_raw);
    match listener.filter(|pid| pid.as_raw() > 0 && *pid != Pid::this()) {
        None => ListenerOwner::Unknown,
        Some(listener) if has_ended(listener) => ListenerOwner::Unclaimed,
        Some(listener) => owner_by_descent(listener, supervisor, &all_kin()),
    }
}

/// Returns the TCP addresses that a supervisor's tree listens on. It finds only processes whose parents live.
pub(crate) fn listening(supervisor: Pid) -> BTreeSet<SocketAddr> {
    let mut seen: BTreeSet<_> = kin(supervisor).iter().map(|one| one.own).collect();
    let tree = below(all_kin(), &mut seen).into_iter();
    let sockets = tree.flat_map(|one| listening_of(one.pid));
    sockets.map(|socket| socket.address).collect()
}

fn described(pid: Pid) -> String {
    format!("pid {pid}: {}", command_line(pid))
}
