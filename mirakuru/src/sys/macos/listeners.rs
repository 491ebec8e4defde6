//! Whose a listener is: what processes have open, and from whom those that have it descend.

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

/// Asks who listens.
#[derive(Debug)]
pub(crate) struct Listeners;

impl Listeners {
    pub(crate) fn open() -> Option<Self> {
        Some(Self)
    }

    /// Whether a socket listens at this address, as far as this user may look; `None` if the address is not one of this
    /// machine.
    pub(crate) fn any_at(&self, addr: SocketAddr) -> Option<bool> {
        is_own(addr.ip()).then(|| !holders_at(addr).is_empty())
    }
}

/// Whether this machine has the address: only then a socket can be bound to it.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The processes that have the listener that a connection to this address would reach.
fn holders_at(addr: SocketAddr) -> Vec<Pid> {
    let all = processes().into_iter();
    let all = all.flat_map(|pid| {
        listening_of(pid)
            .into_iter()
            .map(move |socket| (pid, socket))
    });
    reached(all, addr)
}

/// Who listens on this port of the loopback interface, for people: pid and command.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let found_at = |ip: IpAddr| holders_at((ip, port).into()).first().copied();
    let found = found_at(Ipv4Addr::LOCALHOST.into());
    found
        .or_else(|| found_at(Ipv6Addr::LOCALHOST.into()))
        .map(described)
}

/// Whose listener a connection to this address reaches, seen from the tree of a supervisor.
pub(crate) fn owner_of_listener(addr: SocketAddr, main: Pid, supervisor: Pid) -> ListenerOwner {
    let holders = holders_at(addr);
    if holders.contains(&main) {
        return ListenerOwner::Ours(main);
    }
    if holders.is_empty() {
        return unseen(addr);
    }
    let all = all_kin();
    let whose = |holder| whose(holder, supervisor, &all);
    let mut found: Vec<_> = holders.into_iter().map(whose).collect();
    // Processes that share a listener: one of the tree may have passed it on.
    let closest = |whose: &ListenerOwner| match whose {
        ListenerOwner::Ours(_) => 0,
        ListenerOwner::Unknown => 1,
        ListenerOwner::Stranger(_) => 2,
        ListenerOwner::Unclaimed => 3,
    };
    found.sort_by_key(closest);
    found.swap_remove(0)
}

/// Whose a listener is that no process is seen to have: another user's, or a closed one.
fn unseen(addr: SocketAddr) -> ListenerOwner {
    /// How long a connection that is refused may take.
    const REFUSAL: Duration = Duration::from_millis(5);
    match TcpStream::connect_timeout(&addr, REFUSAL) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            ListenerOwner::Unclaimed
        }
        _ => ListenerOwner::Unknown,
    }
}

/// Whose a process is. If one of those that it descends from has ended, that may have been one of the tree.
fn whose(process: Pid, supervisor: Pid, all: &[Kin]) -> ListenerOwner {
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

/// Whether what listens at this address does so for a moment only.
pub(crate) fn is_unclaimed(addr: SocketAddr) -> bool {
    let holders = holders_at(addr);
    !holders.is_empty() && holders.into_iter().all(is_fork_of_this)
}

/// A fork of this process that has not become its program yet keeps open for a moment what was closed here.
fn is_fork_of_this(pid: Pid) -> bool {
    let parent = proc_stat(pid).map(|stat| stat.parent);
    parent == Some(Pid::this()) && program_name(pid) == program_name(Pid::this())
}

/// Whose listener a Unix socket is connected to: the kernel keeps which process used it last (`LOCAL_PEERPID` of
/// `<sys/un.h>`). If that process has ended it is passing, as it may have left the listener to others of the tree.
pub(crate) fn owner_of_peer(stream: &impl AsFd, supervisor: Pid) -> ListenerOwner {
    let listener = getsockopt(stream, LocalPeerPid).ok().map(Pid::from_raw);
    match listener.filter(|pid| pid.as_raw() > 0 && *pid != Pid::this()) {
        None => ListenerOwner::Unknown,
        Some(listener) if has_ended(listener) => ListenerOwner::Unclaimed,
        Some(listener) => whose(listener, supervisor, &all_kin()),
    }
}

/// The TCP addresses that a supervisor's tree listens on, as far as its processes' parents live.
pub(crate) fn listening(supervisor: Pid) -> BTreeSet<SocketAddr> {
    let mut seen: BTreeSet<_> = kin(supervisor).iter().map(|one| one.own).collect();
    let tree = below(all_kin(), &mut seen).into_iter();
    let sockets = tree.flat_map(|one| listening_of(one.pid));
    sockets.map(|socket| socket.address).collect()
}

fn described(pid: Pid) -> String {
    format!("pid {pid}: {}", command_line(pid))
}
