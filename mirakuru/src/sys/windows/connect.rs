//! Makes sockets, and connects to a port without the time that the system spends on a refusal.
#![expect(unsafe_code, reason = "calls of the system")]

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket};
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, FD_SET, INVALID_SOCKET, SIO_TCP_INITIAL_RTO, SOCK_STREAM, SOCKADDR,
    SOCKADDR_IN, SOCKADDR_IN6, SOCKET, TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS,
    TCP_INITIAL_RTO_PARAMETERS, TIMEVAL, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSAIoctl,
    WSASocketW, connect as connect_socket, select,
};

use super::sockets::{keep_sockets_at_exit, raw_of};

/// Connects to an address within this time.
///
/// By default, the system repeats a refused attempt for about two seconds. A listener of this machine needs no
/// repetition.
pub(crate) fn connect(address: SocketAddr, wait: Duration) -> io::Result<TcpStream> {
    if !address.ip().is_loopback() {
        return TcpStream::connect_timeout(&address, wait);
    }
    keep_sockets_at_exit();
    let stream = TcpStream::from(new_socket(address.ip())?);
    take_the_first_refusal(&stream);
    stream.set_nonblocking(true)?;
    match call_with(connect_socket, &stream, address) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => await_connection(&stream, wait)?,
        connected => connected?,
    }
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Makes an attempt to connect fail at the first refusal. A system that does not know this option repeats the attempt.
fn take_the_first_refusal(stream: &TcpStream) {
    let once = TCP_INITIAL_RTO_PARAMETERS {
        // `TCP_INITIAL_RTO_UNSPECIFIED_RTT`: the system's own time.
        Rtt: u16::MAX,
        MaxSynRetransmissions: TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS.to_le_bytes()[0],
    };
    let length = u32::try_from(size_of_val(&once)).unwrap_or_default();
    let mut written = 0;
    // SAFETY: the call reads as many bytes as the structure has, and writes one number.
    unsafe {
        WSAIoctl(
            raw_of(stream),
            SIO_TCP_INITIAL_RTO,
            (&raw const once).cast(),
            length,
            null_mut(),
            0,
            &raw mut written,
            null_mut(),
            None,
        )
    };
}

/// Waits until an attempt to connect has ended. Some versions of `WSAPoll` do not report a refusal.
fn await_connection(stream: &TcpStream, wait: Duration) -> io::Result<()> {
    let mut connected = FD_SET {
        fd_count: 1,
        ..FD_SET::default()
    };
    connected.fd_array[0] = raw_of(stream);
    let mut failed = connected;
    let wait = TIMEVAL {
        tv_sec: i32::try_from(wait.as_secs()).unwrap_or(i32::MAX),
        tv_usec: i32::try_from(wait.subsec_micros()).unwrap_or_default(),
    };
    let (connects, fails) = (&raw mut connected, &raw mut failed);
    // SAFETY: the call reads and writes the given structures.
    match unsafe { select(0, null_mut(), connects, fails, &raw const wait) } {
        0 => Err(ErrorKind::TimedOut.into()),
        1.. if connected.fd_count == 1 => Ok(()),
        1.. => Err(stream
            .take_error()?
            .unwrap_or_else(|| ErrorKind::ConnectionRefused.into())),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes a TCP socket of the address's family.
pub(super) fn new_socket(address: IpAddr) -> io::Result<OwnedSocket> {
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: the call takes any numbers.
    let raw = unsafe { WSASocketW(family.into(), SOCK_STREAM, 0, std::ptr::null(), 0, flags) };
    if raw == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this socket for us alone.
    Ok(unsafe { OwnedSocket::from_raw_socket(raw as u64) })
}

/// A call that takes a socket and an address: `bind` or `connect`.
type Call = unsafe extern "system" fn(SOCKET, *const SOCKADDR, i32) -> i32;

/// Calls the system with a socket and an address.
pub(super) fn call_with(
    call: Call,
    socket: &impl AsRawSocket,
    address: SocketAddr,
) -> io::Result<()> {
    match address {
        SocketAddr::V4(address) => {
            let mut to = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                ..SOCKADDR_IN::default()
            };
            to.sin_addr.S_un.S_addr = u32::from_ne_bytes(address.ip().octets());
            call_with_raw(call, socket, &to)
        }
        SocketAddr::V6(address) => {
            let mut to = SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: address.port().to_be(),
                ..SOCKADDR_IN6::default()
            };
            to.sin6_addr.u.Byte = address.ip().octets();
            call_with_raw(call, socket, &to)
        }
    }
}

fn call_with_raw<T>(call: Call, socket: &impl AsRawSocket, address: &T) -> io::Result<()> {
    let length = i32::try_from(size_of::<T>()).unwrap_or_default();
    let (raw, address) = (raw_of(socket), (&raw const *address).cast());
    // SAFETY: the call reads as many bytes as the structure has.
    match unsafe { call(raw, address, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_connection_is_accepted_or_refused() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut stream = connect(address, PATIENCE).expect("it accepts");
        let (mut other, _) = listener.accept().expect("it was connected");
        other.write_all(b"a").expect("it is open");
        // The stream blocks, as one of std does.
        stream.read_exact(&mut [0]).expect("it is open");
        drop((listener, other));
        let refused = connect(address, PATIENCE).expect_err("it is closed");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}
