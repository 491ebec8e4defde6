//! Finds the process that listens on a port. A `NETLINK_SOCK_DIAG` request (`sock_diag(7)`) finds one listener, and
//! then its inode is searched in the open files of processes.
//!
//! The exact request costs a few microseconds, and disturbs no server with an empty connection. Its answer contains the
//! listener's inode.

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

/// The layout of `<linux/netlink.h>` and `<linux/inet_diag.h>`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
/// The offset of `inet_diag_msg.idiag_inode` in the answer.
const INODE: usize = HEADER + 68;
/// The offset of `inet_diag_msg.idiag_uid` in the answer.
const UID: usize = HEADER + 64;

/// A socket for any number of queries of the listeners in this network namespace.
#[derive(Debug)]
pub(crate) struct Listeners(OwnedFd);

impl Listeners {
    /// Opens the socket. Returns `None` if the kernel cannot be queried; the caller connects instead.
    pub(crate) fn open() -> Option<Self> {
        let (family, kind) = (AddressFamily::Netlink, SockType::Datagram);
        let protocol = SockProtocol::NetlinkSockDiag;
        socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)
            .ok()
            .map(Self)
    }

    /// Returns whether a socket listens at this address. Returns `None` if the kernel does not report it, or if this
    /// network namespace does not have the address.
    pub(crate) fn any_at(&self, addr: SocketAddr) -> Option<bool> {
        self.found_at(addr).ok().map(|found| found.is_some())
    }

    /// Returns the listener that a connection to this address would reach. Fails for an address that this namespace
    /// does not have, as the kernel would find a listener on all addresses for it too.
    fn found_at(&self, addr: SocketAddr) -> nix::Result<Option<Listener>> {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if !is_own(addr.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        send(self.0.as_raw_fd(), &request_for(addr), MsgFlags::empty())?;
        let mut answer = [0_u8; 512];
        // The answer is available as soon as the request has been sent.
        let len = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        Ok(listener_in(&answer[..len]))
    }
}

/// Returns whether this network namespace has the address: only then can a socket be bound to it.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Returns a human-readable description of the process that listens on this port of the loopback interface: pid and
/// command.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let listeners = Listeners::open()?;
    let found_at = |ip| listeners.found_at(SocketAddr::new(ip, port)).ok()?;
    let found = found_at(Ipv4Addr::LOCALHOST.into());
    let found = found.or_else(|| found_at(Ipv6Addr::LOCALHOST.into()))?;
    holder_of_inode(found.inode).map(described)
}

/// Returns the owner of the listener that a connection to this address reaches, from the view of a supervisor's tree.
/// The main process is checked first, as it is the owner most often.
pub(crate) fn owner_of_listener(addr: SocketAddr, main: Pid, supervisor: Pid) -> ListenerOwner {
    let answer = Listeners::open().map(|listeners| listeners.found_at(addr));
    let found = match answer {
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
    // A process that has just lost its parent may have been in neither list of children.
    let holder = holder_of_inode(found.inode);
    if let Some(pid) = holder.filter(|pid| is_below(*pid, supervisor)) {
        return ListenerOwner::Ours(pid);
    }
    match owner_outside_tree(found, holder) {
        // A process of the tree hides its open files, as one of another user does. It may have the listener too, even
        // if another process visibly has it, which may have passed it on.
        _ if is_hidden => ListenerOwner::Unknown,
        ListenerOwner::Unknown => {
            ListenerOwner::Stranger(format!("a process of another user (uid {})", found.uid))
        }
        owner => owner,
    }
}

/// Returns whether the listener at this address exists only for a moment.
pub(crate) fn is_unclaimed(addr: SocketAddr) -> bool {
    let listener = Listeners::open().and_then(|listeners| listeners.found_at(addr).ok().flatten());
    listener.is_some_and(|found| {
        owner_outside_tree(found, holder_of_inode(found.inode)) == ListenerOwner::Unclaimed
    })
}

/// Returns the owner of the listener that a Unix socket is connected to: the kernel keeps the process that called
/// `listen` (`unix(7)`). If that process has ended, the listener is unclaimed, as the process may have left it to
/// others of the tree.
pub(crate) fn owner_of_peer(stream: &impl AsFd, supervisor: Pid) -> ListenerOwner {
    let Some(listener) = peer(stream).filter(|pid| *pid != Pid::this()) else {
        // This process hands the socket on.
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
        // The process is hidden, or its pid is 0: it is in another pid namespace, or the socket is not connected.
        false => ListenerOwner::Unknown,
    }
}

/// Returns the owner of a listener that no process of the tree visibly has.
fn owner_outside_tree(found: Listener, holder: Option<Pid>) -> ListenerOwner {
    match holder {
        Some(pid) if is_fork_of_this(pid) => ListenerOwner::Unclaimed,
        Some(pid) => ListenerOwner::Stranger(described(pid)),
        None if found.uid != geteuid().as_raw() => ListenerOwner::Unknown,
        None => ListenerOwner::Unclaimed,
    }
}

/// Returns whether a process is a fork of this one that has not become its program yet. Such a fork briefly keeps files
/// open that were closed here.
fn is_fork_of_this(pid: Pid) -> bool {
    let parent = proc_stat(pid).map(|stat| stat.parent);
    parent == Some(Pid::this()) && program(pid) == program(Pid::this())
}

fn described(pid: Pid) -> String {
    format!("pid {pid}: {}", command_line(pid))
}

/// Returns an `inet_diag_req_v2` without `NLM_F_DUMP`. The kernel looks up one socket, as it would for a packet from an
/// unspecified source to this address. That finds listeners on the address and on the wildcard.
fn request_for(addr: SocketAddr) -> [u8; REQUEST] {
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
    // The states at `HEADER + 4` stay zero: the exact request ignores them.
    put(&mut request, HEADER + 8, &addr.port().to_be_bytes());
    put(&mut request, HEADER + 12, &address);
    // INET_DIAG_NOCOOKIE: any socket matches.
    put(&mut request, HEADER + 48, &[0xff; 8]);
    request
}

fn put(request: &mut [u8], at: usize, bytes: &[u8]) {
    request[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The facts that the kernel reports about a listener.
#[derive(Clone, Copy)]
struct Listener {
    inode: u32,
    /// The user who made it.
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

/// Returns whether this process has the socket open, or `None` if the process may not be inspected.
fn holds(pid: Pid, inode: u32) -> Option<bool> {
    let wanted = format!("socket:[{inode}]");
    match open_files(pid) {
        Ok(open) => Some(open.iter().any(|to| to.as_os_str() == wanted.as_str())),
        Err(_) => has_ended(pid).then_some(false),
    }
}

/// Returns whether a process has ended. If it is hidden in `/proc`, a signal still shows whether it exists.
pub(crate) fn has_ended(pid: Pid) -> bool {
    proc_stat(pid).map_or_else(|| kill(pid, None) == Err(Errno::ESRCH), |stat| stat.zombie)
}

/// Returns the first process that has the socket open, as far as this user may look.
fn holder_of_inode(inode: u32) -> Option<Pid> {
    let mut pids = processes();
    pids.find(|pid| holds(*pid, inode) == Some(true))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use nix::unistd::fchown;

    use super::*;
    use crate::loopback;
    use crate::sys::Socket;
    use crate::wait::{Deadline, until};

    /// Puts a listener into a message. No process has it open until the returned socket receives the message.
    fn hidden(listener: TcpListener) -> Socket {
        let (sender, receiver) = Socket::pair().expect("a socket");
        crate::sys::send(&sender, &[0], &[listener.into()]).expect("room");
        receiver
    }

    #[test]
    fn an_address_is_own_if_a_socket_can_be_bound_to_it() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(is_own(Ipv4Addr::UNSPECIFIED.into()));
        // No machine has an address of the documentation (RFC 5737).
        assert!(!is_own(Ipv4Addr::new(192, 0, 2, 1).into()));
    }

    #[test]
    fn only_an_answer_about_a_listener_is_one() {
        let answer = |kind: u16, state: u8| {
            let mut answer = [0_u8; 128];
            answer[4..6].copy_from_slice(&kind.to_ne_bytes());
            answer[HEADER + 1] = state;
            listener_in(&answer).is_some()
        };
        assert!(answer(SOCK_DIAG_BY_FAMILY, TCP_LISTEN));
        assert!(!answer(SOCK_DIAG_BY_FAMILY + 1, TCP_LISTEN));
        assert!(!answer(SOCK_DIAG_BY_FAMILY, TCP_LISTEN + 1));
    }

    #[test]
    fn a_listener_is_seen_with_its_holder_and_its_end() {
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

    #[test]
    fn a_listener_is_unclaimed_if_no_process_has_it_open() {
        let (listener, address) = loopback::bound();
        until(|| !is_unclaimed(address));
        let _message = hidden(listener);
        until(|| is_unclaimed(address));
    }

    /// A process that runs the program of this one, and waits for ever, is like a fork that has not become its program.
    #[test]
    fn a_listener_of_a_fork_of_this_process_is_unclaimed() {
        let (mut full, _reader) = UnixStream::pair().expect("a socket");
        full.set_nonblocking(true).expect("an option");
        while full.write(&[0; 4096]).is_ok() {}
        full.set_nonblocking(false).expect("an option");
        let (listener, address) = loopback::bound();
        let mut fork = loopback::program_that_ends()
            .stdin(OwnedFd::from(listener))
            .stdout(OwnedFd::from(full))
            .spawn()
            .expect("own program");
        until(|| is_unclaimed(address));
        fork.kill().expect("a child");
        fork.wait().expect("a child");
    }

    #[test]
    fn a_listener_of_a_child_with_its_own_program_is_claimed() {
        let (listener, address) = loopback::bound();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(OwnedFd::from(listener))
            .spawn()
            .expect("coreutils");
        until(|| !is_unclaimed(address));
        child.kill().expect("a child");
        child.wait().expect("a child");
    }

    #[test]
    fn only_a_listener_of_this_user_can_be_unclaimed() {
        let of = |uid| owner_outside_tree(Listener { inode: 0, uid }, None);
        let own = geteuid().as_raw();
        assert_eq!(of(own), ListenerOwner::Unclaimed);
        assert_eq!(of(own + 1), ListenerOwner::Unknown);
    }

    #[test]
    fn a_hidden_listener_of_another_user_is_a_strangers() {
        let (listener, address) = loopback::bound();
        let other = geteuid().as_raw() + 1;
        let expected = match fchown(&listener, Some(other.into()), None) {
            Ok(()) => ListenerOwner::Stranger(format!("a process of another user (uid {other})")),
            // Only root may give a socket to another user.
            Err(_) => ListenerOwner::Unclaimed,
        };
        let _message = hidden(listener);
        let mut child = Command::new("sleep").arg("60").spawn().expect("coreutils");
        let tree = crate::sys::process_of(child.id()).expect("a pid");
        until(|| owner_of_listener(address, tree, tree) == expected);
        child.kill().expect("a child");
        child.wait().expect("a child");
    }

    #[test]
    fn a_unix_listener_is_unclaimed_after_the_end_of_its_process() {
        const LISTENS: &str = "import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print('listens', flush=True)
sys.stdin.read()";
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("socket");
        let mut child = Command::new("python3")
            .args(["-c", LISTENS])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let pid = crate::sys::process_of(child.id()).expect("a pid");
        let mut output = child.stdout.take().expect("piped");
        output.read_exact(&mut [0; 8]).expect("it listens");
        let stream = UnixStream::connect(&path).expect("it listens");
        let stranger = ListenerOwner::Stranger(described(pid));
        assert_eq!(
            owner_of_peer(&stream, Pid::this()),
            ListenerOwner::Ours(pid)
        );
        assert_eq!(owner_of_peer(&stream, pid), stranger);
        drop(child.stdin.take());
        assert!(child.wait().expect("a child").success());
        let owner = owner_of_peer(&stream, Pid::this());
        assert_eq!(owner, ListenerOwner::Unclaimed);
    }

    #[test]
    fn the_owner_is_unknown_of_an_own_or_unconnected_unix_socket() {
        let (own, _other_end) = UnixStream::pair().expect("a socket");
        assert_eq!(owner_of_peer(&own, Pid::this()), ListenerOwner::Unknown);
        let (family, kind) = (AddressFamily::Unix, SockType::Stream);
        let unconnected = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        let owner = owner_of_peer(&unconnected, Pid::this());
        assert_eq!(owner, ListenerOwner::Unknown);
    }
}
