//! Checks whether a port is free, and finds the process that listens on it.
#![expect(unsafe_code, reason = "calls of the system")]

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::windows::io::OwnedSocket;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_LISTENER,
};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SO_EXCLUSIVEADDRUSE, SOL_SOCKET,
    WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, bind, setsockopt,
};

use super::connect::{call_with, new_socket};
use super::process::{Pid, command_line, has_ended, number_of, proc_stat, process_of, started_at};
use super::sockets::{keep_sockets_at_exit, raw_of};
use crate::sys::ListenerOwner;

/// Returns `true`: the loopback interface is always up.
pub(crate) fn loopback_is_up() -> bool {
    true
}

/// Returns the ports that the system gives to outgoing connections.
///
/// This is the system's default range
/// (<https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang>) and
/// the lower ports that Linux adds, as Wine passes its sockets to the system that it runs on.
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    32_768..=u16::MAX
}

/// Returns whether no socket is bound to this TCP port, on either address family.
///
/// The port is bound for a moment on a socket that never listens. On Windows, one socket may have all addresses and
/// another one a single address, so all addresses are tried.
pub(crate) fn is_free(port: u16) -> bool {
    keep_sockets_at_exit();
    let addresses: [IpAddr; 4] = [
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::LOCALHOST.into(),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::LOCALHOST.into(),
    ];
    addresses
        .into_iter()
        .all(|address| match bind_at(address, port) {
            Ok(()) => true,
            // A machine may lack one of the address families.
            Err(error) => matches!(
                error.raw_os_error(),
                Some(WSAEAFNOSUPPORT | WSAEADDRNOTAVAIL)
            ),
        })
}

fn bind_at(address: IpAddr, port: u16) -> io::Result<()> {
    let socket = new_socket(address)?;
    set(&socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE)?;
    if address.is_ipv6() {
        set(&socket, IPPROTO_IPV6, IPV6_V6ONLY)?;
    }
    call_with(bind, &socket, (address, port).into())
}

fn set(socket: &OwnedSocket, level: i32, option: i32) -> io::Result<()> {
    let on = 1_u32.to_ne_bytes();
    let length = i32::try_from(on.len()).unwrap_or_default();
    let raw = raw_of(socket);
    // SAFETY: the call reads as many bytes as there are.
    match unsafe { setsockopt(raw, level, option, on.as_ptr(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A row of a table of listeners.
trait TraceRow: Copy {
    const FAMILY: u16;

    /// Returns the address and the number of the process, or 0 if the system does not report the process.
    fn read(self) -> (SocketAddr, u32);
}

impl TraceRow for MIB_TCPROW_OWNER_PID {
    const FAMILY: u16 = AF_INET;

    fn read(self) -> (SocketAddr, u32) {
        let address = Ipv4Addr::from(self.dwLocalAddr.to_ne_bytes());
        (
            (address, port_of(self.dwLocalPort)).into(),
            self.dwOwningPid,
        )
    }
}

impl TraceRow for MIB_TCP6ROW_OWNER_PID {
    const FAMILY: u16 = AF_INET6;

    fn read(self) -> (SocketAddr, u32) {
        let address = Ipv6Addr::from(self.ucLocalAddr);
        (
            (address, port_of(self.dwLocalPort)).into(),
            self.dwOwningPid,
        )
    }
}

/// Returns the port in the first two bytes, which are in network byte order.
fn port_of(bytes: u32) -> u16 {
    let [high, low, ..] = bytes.to_ne_bytes();
    u16::from_be_bytes([high, low])
}

/// Returns the listeners of one address family, or `None` if the system does not list them.
fn table<R: TraceRow>() -> Option<Vec<(SocketAddr, u32)>> {
    let (family, class) = (R::FAMILY.into(), TCP_TABLE_OWNER_PID_LISTENER);
    // The buffer consists of `u32`, as the rows are aligned like that. The table may grow between two calls.
    let mut buffer = vec![0_u32; 1024];
    loop {
        let mut length = u32::try_from(buffer.len() * size_of::<u32>()).ok()?;
        let to = buffer.as_mut_ptr().cast();
        // SAFETY: the call writes at most as many bytes as the buffer has.
        let result = unsafe { GetExtendedTcpTable(to, &raw mut length, 0, family, class, 0) };
        match result {
            NO_ERROR => break,
            ERROR_INSUFFICIENT_BUFFER => buffer.resize(length as usize / 4 + 1024, 0),
            _ => return None,
        }
    }
    let (count, rows) = buffer.split_first()?;
    let words = size_of::<R>() / size_of::<u32>();
    let rows = rows.chunks_exact(words).take(*count as usize);
    let read = rows.map(|row| {
        // SAFETY: a row consists of numbers, for which any bytes are valid, and the chunk has its size.
        unsafe { row.as_ptr().cast::<R>().read_unaligned() }.read()
    });
    Some(read.collect())
}

fn all_listeners() -> Option<Vec<(SocketAddr, u32)>> {
    let mut all = table::<MIB_TCPROW_OWNER_PID>()?;
    all.extend(table::<MIB_TCP6ROW_OWNER_PID>().unwrap_or_default());
    Some(all)
}

/// Returns whether a listener at one address accepts connections to another one.
///
/// Returns `None` for a listener at all IPv6 addresses, which may or may not accept IPv4 connections.
fn takes(listener: SocketAddr, address: SocketAddr) -> Option<bool> {
    if listener.port() != address.port() {
        return Some(false);
    }
    match (listener.ip(), address.ip()) {
        (IpAddr::V6(at), IpAddr::V4(_)) if at.is_unspecified() => None,
        (at, to) => Some(at == to || (at.is_unspecified() && at.is_ipv4() == to.is_ipv4())),
    }
}

/// The system's lists of listeners.
#[derive(Debug)]
pub(crate) struct Listeners;

impl Listeners {
    #[allow(clippy::unnecessary_wraps, reason = "the contract")]
    pub(crate) fn open() -> Option<Self> {
        Some(Self)
    }

    /// Returns whether any process listens at this address, or `None` if that cannot be determined.
    pub(crate) fn any_at(&self, address: SocketAddr) -> Option<bool> {
        let answers: Vec<_> = all_listeners()?
            .into_iter()
            .map(|(at, _)| takes(at, address))
            .collect();
        if answers.contains(&Some(true)) {
            return Some(true);
        }
        (!answers.contains(&None)).then_some(false)
    }
}

/// Returns the owner of the listener at this address, as seen from the tree of a main process.
pub(crate) fn owner_of_listener(address: SocketAddr, main: Pid, supervisor: Pid) -> ListenerOwner {
    let listeners = all_listeners().unwrap_or_default();
    let takes_it = |(at, _): &(SocketAddr, u32)| takes(*at, address) != Some(false);
    // Of several listeners, the one at exactly this address gets the connection.
    let (exact, others): (Vec<_>, Vec<_>) = listeners
        .into_iter()
        .filter(takes_it)
        .partition(|(at, _)| *at == address);
    let mut holders = exact.into_iter().chain(others);
    let holder = holders.find_map(|(_, number)| process_of(number));
    // The kernel listens on behalf of several programs.
    let Some(holder) = holder.filter(|holder| number_of(*holder) != KERNEL) else {
        return ListenerOwner::Unknown;
    };
    // The main process is compared first: after the clock was set back, the other comparisons do not find its parent.
    if holder == main || holder == Pid::this() || is_below(holder, supervisor) {
        return ListenerOwner::Ours(holder);
    }
    if is_stranger(holder, main, supervisor) {
        return ListenerOwner::Stranger(shown(holder));
    }
    ListenerOwner::Unknown
}

/// The number of the process of the kernel.
const KERNEL: u32 = 4;

/// Returns whether a process certainly does not belong to the tree.
///
/// If a parent of the process has ended, only the list of the job could decide.
fn is_stranger(process: Pid, main: Pid, supervisor: Pid) -> bool {
    let (Some(main), Some(supervisor)) = (started_at(main), started_at(supervisor)) else {
        return false;
    };
    // The clock was set back in between, so times prove nothing.
    if main < supervisor {
        return false;
    }
    // The table shows the process that made the socket. Another process may have inherited the socket.
    if has_ended(process) {
        return false;
    }
    match started_at(process) {
        // The process belongs to another user.
        None => true,
        Some(started) if started < main => true,
        // An ancestor that is older than the supervisor is outside the tree.
        Some(_) => {
            let is_older = |one: Pid| started_at(one).is_some_and(|at| at < supervisor);
            line_of_parents(process).any(is_older)
        }
    }
}

/// Returns a process, its parent, and so on, as far as these processes live.
fn line_of_parents(process: Pid) -> impl Iterator<Item = Pid> {
    const MOST_ANCESTORS: usize = 64;
    let parent = |below: &Pid| Some(proc_stat(*below)?.parent);
    std::iter::successors(Some(process), parent).take(MOST_ANCESTORS)
}

fn is_below(process: Pid, supervisor: Pid) -> bool {
    line_of_parents(process).any(|one| one == supervisor)
}

fn shown(process: Pid) -> String {
    format!("{} (pid {process})", command_line(process))
}

/// Returns `false`: processes do not pass listening sockets on.
pub(crate) fn is_unclaimed(_address: SocketAddr) -> bool {
    false
}

/// Returns the addresses at which processes below a supervisor listen.
pub(crate) fn listening(supervisor: Pid) -> BTreeSet<SocketAddr> {
    let is_ours = |number| process_of(number).is_some_and(|pid| is_below(pid, supervisor));
    let all = all_listeners().unwrap_or_default().into_iter();
    all.filter(|(_, number)| is_ours(*number))
        .map(|(at, _)| at)
        .collect()
}

/// Returns a human-readable description of the process that listens on this port.
pub(crate) fn holder_of_port(port: u16) -> Option<String> {
    let mut all = all_listeners()?
        .into_iter()
        .filter(|(at, _)| at.port() == port);
    let holder = all.find_map(|(_, number)| process_of(number))?;
    (number_of(holder) != std::process::id()).then(|| shown(holder))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    #[test]
    fn a_process_that_has_ended_is_not_a_stranger() {
        // Each one is older than the next one. Its number belongs to it as long as its handle is open.
        let [ended, main] = [(); 2].map(|()| {
            let shell = Command::new("cmd").args(["/d", "/c", "exit"]).spawn();
            let mut shell = shell.expect("the shell starts");
            shell.wait().expect("it ends");
            shell
        });
        let pid = |child: &Child| process_of(child.id()).expect("a number");
        assert!(!is_stranger(pid(&ended), pid(&main), Pid::this()));
    }
}
