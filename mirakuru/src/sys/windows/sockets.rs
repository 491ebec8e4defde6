//! Connects a test process to its supervisor, by a TCP connection over the loopback interface.
//!
//! The connection cannot carry handles. The sender duplicates each handle into the other process, and sends the value
//! that the copy has there.
#![expect(unsafe_code, reason = "calls of the system")]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, AsSocket, BorrowedSocket, FromRawHandle, OwnedHandle,
};
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, GetHandleInformation, HANDLE,
};
use windows_sys::Win32::Networking::WinSock::{
    INVALID_SOCKET, POLLRDNORM, POLLWRNORM, SOCKET, WSADATA, WSAPOLLFD, WSAPoll, WSAStartup,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::process::{Pid, Process, number_of, process_of, succeeded};
use super::streams::{InputPipe, OutputPipe};
use crate::wait;

/// An open file that a message carries.
pub(crate) type Handle = OwnedHandle;

/// One end of the connection between a test process and its supervisor, with the process at the other end.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    peer: (u32, Process),
}

impl Socket {
    pub(super) fn new(stream: TcpStream, pid: Pid, peer: Process) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let peer = (number_of(pid), peer);
        Ok(Self { stream, peer })
    }

    /// Returns the two ends of a connection within this process.
    #[cfg(test)]
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = connection()?;
        let end = |stream| Self::new(stream, Pid::this(), Process::open(Pid::this())?);
        Ok((end(one)?, end(other)?))
    }

    #[cfg(test)]
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let peer = Process::of(self.peer.1.handle().try_clone()?);
        Self::new(self.stream.try_clone()?, Pid::this(), peer)
    }

    #[cfg(test)]
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    #[cfg(test)]
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(timeout)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

#[cfg(test)]
impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

#[cfg(test)]
impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buffer)
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a new connection within this process. A connection from another program to its port is closed.
pub(super) fn connection() -> io::Result<(TcpStream, TcpStream)> {
    keep_sockets_at_exit();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let own = ours.local_addr()?;
    loop {
        let (theirs, from) = listener.accept()?;
        if from == own {
            return Ok((ours, theirs));
        }
    }
}

/// Keeps the sockets of this process open until its end.
///
/// std closes them after `main`, and the exit hook, which runs later, would find them closed. The system counts the
/// calls of `WSAStartup`, so one more call keeps them open.
pub(super) fn keep_sockets_at_exit() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut data = WSADATA::default();
        // SAFETY: the call writes one structure to the given address.
        unsafe { WSAStartup(0x202, &raw mut data) };
    });
}

/// The number of bytes that represent a handle in a message.
pub(crate) const HANDLE_BYTES: usize = size_of::<usize>();

/// Duplicates handles into the process at the other end, and returns the bytes that represent them there.
pub(crate) fn bytes_for(socket: &Socket, handles: &[Handle]) -> io::Result<Vec<u8>> {
    let copies = handles.iter().map(|handle| {
        let mut there: HANDLE = null_mut();
        // SAFETY: the call returns a constant.
        let here = unsafe { GetCurrentProcess() };
        let (ours, peer) = (
            handle.as_raw_handle(),
            socket.peer.1.handle().as_raw_handle(),
        );
        // SAFETY: the handles are open, and the call writes one number to the given address.
        succeeded(unsafe {
            DuplicateHandle(
                here,
                ours,
                peer,
                &raw mut there,
                0,
                0,
                DUPLICATE_SAME_ACCESS,
            )
        })?;
        Ok((there as usize).to_le_bytes())
    });
    Ok(copies.collect::<io::Result<Vec<_>>>()?.concat())
}

/// Takes ownership of the handles that the process at the other end has made here, from the bytes of a message.
pub(crate) fn adopt(bytes: &[u8]) -> Vec<Handle> {
    let numbers = bytes
        .chunks_exact(HANDLE_BYTES)
        .filter_map(|number| number.try_into().ok());
    let adopted = numbers.filter_map(|number| {
        let raw = usize::from_le_bytes(number) as HANDLE;
        let mut flags = 0;
        // SAFETY: the call takes any number, and writes one to the given address.
        let is_open = unsafe { GetHandleInformation(raw, &raw mut flags) } != 0;
        // SAFETY: the sender, which is a process of the same program and user, has made it for this one alone.
        is_open.then(|| unsafe { OwnedHandle::from_raw_handle(raw) })
    });
    adopted.collect()
}

/// Sends as many bytes as fit into the buffer. Never waits.
pub(crate) fn send(socket: &Socket, bytes: &[u8], _handles: &[Handle]) -> io::Result<usize> {
    (&socket.stream).write(bytes)
}

/// Receives the bytes that have arrived. Never waits.
pub(crate) fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    _handles: &mut impl Extend<Handle>,
) -> io::Result<usize> {
    (&socket.stream).read(buffer)
}

/// Returns the process at the other end.
#[allow(clippy::unnecessary_wraps, reason = "the contract")]
pub(crate) fn peer(socket: &Socket) -> Option<Pid> {
    process_of(socket.peer.0)
}

/// Returns whether the process at the other end has ended. On Windows a process never executes another program, so the
/// other end is open as long as its process lives.
pub(crate) fn is_hung_up(socket: &Socket) -> bool {
    socket.peer.1.ended_within(Duration::ZERO)
}

pub(crate) fn copy_of(open: &impl AsHandle) -> io::Result<Handle> {
    open.as_handle().try_clone_to_owned()
}

/// The object that a wait waits for.
#[derive(Clone, Copy)]
pub(crate) enum Wakeup<'a> {
    Socket(BorrowedSocket<'a>),
    Process(&'a Process),
    /// A pipe whose reads ring the bell.
    Ringing,
}

/// An object that can be waited for.
pub(crate) trait Source {
    fn wakeup(&self) -> Wakeup<'_>;
}

impl Source for Socket {
    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Socket(self.stream.as_socket())
    }
}

impl Source for OutputPipe {
    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Ringing
    }
}

impl Source for InputPipe {
    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Ringing
    }
}

pub(crate) fn wakeup_of(source: &impl Source) -> Wakeup<'_> {
    source.wakeup()
}

/// The longest single wait for an object that does not ring the bell.
const TICK: Duration = Duration::from_millis(1);

/// Waits until one of these can be read or has reached its end, and returns that state of each. Returns `None` if none
/// does within this time.
///
/// `Duration::MAX` means no timeout. An object that rings the bell counts as not readable: the bell does.
pub(crate) fn await_readable<'a>(
    sources: impl IntoIterator<Item = Wakeup<'a>>,
    wait: Duration,
) -> Option<Vec<bool>> {
    let sources: Vec<_> = sources.into_iter().collect();
    let sockets = sources.iter().filter_map(|source| match source {
        Wakeup::Socket(socket) => Some(socket),
        Wakeup::Process(_) | Wakeup::Ringing => None,
    });
    let mut polled: Vec<_> = sockets.map(|socket| polled(socket, POLLRDNORM)).collect();
    let has_ended = |source: &Wakeup<'_>| matches!(source, Wakeup::Process(process) if process.ended_within(Duration::ZERO));
    let wait = if sources.iter().any(has_ended) {
        Duration::ZERO
    } else {
        wait
    };
    poll(&mut polled, wait);
    let mut polled = polled.iter();
    let readable = sources.iter().map(|source| match source {
        Wakeup::Socket(_) => polled.next().is_some_and(|socket| socket.revents != 0),
        source => has_ended(source),
    });
    let readable: Vec<_> = readable.collect();
    readable.contains(&true).then_some(readable)
}

/// Waits for at most this long until the socket or the pipe may have room.
pub(crate) fn await_writable(sink: &impl Source, wait: Duration) -> io::Result<()> {
    match sink.wakeup() {
        Wakeup::Socket(socket) => poll(&mut [polled(&socket, POLLWRNORM)], wait),
        Wakeup::Process(_) | Wakeup::Ringing => wait::pause(wait.min(TICK)),
    }
    Ok(())
}

/// Returns the system's number of a socket.
pub(super) fn raw_of(socket: &impl AsRawSocket) -> SOCKET {
    SOCKET::try_from(socket.as_raw_socket()).unwrap_or(INVALID_SOCKET)
}

fn polled(socket: &impl AsRawSocket, events: i16) -> WSAPOLLFD {
    WSAPOLLFD {
        fd: raw_of(socket),
        events,
        revents: 0,
    }
}

fn poll(sockets: &mut [WSAPOLLFD], wait: Duration) {
    if sockets.is_empty() {
        // The call would fail without waiting.
        return wait::pause(wait.min(TICK));
    }
    // The time is rounded up. A time that the call cannot represent means no timeout.
    let millis = i32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(-1);
    let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
    // SAFETY: the call reads and writes as many structures as are given.
    let polled = unsafe { WSAPoll(sockets.as_mut_ptr(), count, millis) };
    if polled < 0 {
        wait::pause(wait.min(TICK));
    }
}
