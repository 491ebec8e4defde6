//! Sends and receives on Unix sockets, including descriptors, and waits until sources can be read or written.
#![expect(unsafe_code, reason = "nix gives received descriptors as numbers")]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, connect, recvmsg, sendmsg,
};
use nix::sys::stat::{Mode, umask};

use crate::sys;

/// One end of a connection between a test process and its supervisor, or between a process and a service.
pub(crate) type Socket = UnixStream;

/// An object that travels with a message: an open file, or another process.
pub(crate) type Handle = OwnedFd;

/// A descriptor that becomes readable when there is news.
pub(crate) type Wakeup<'a> = BorrowedFd<'a>;

/// The longest path of a Unix socket: `sun_path` without its terminating null byte.
pub(crate) const LONGEST_SOCKET_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Returns whether a Unix socket can have this path.
pub(crate) fn is_short_enough(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST_SOCKET_PATH
}

/// Binds a socket to which any user may send, as the receiver checks the sender of each message. The socket has its
/// mode from the beginning, as its path may lead elsewhere later. Only a process of one thread may call this: the umask
/// of the whole process changes for a moment.
pub(in crate::sys) fn bind_for_everyone(path: &Path) -> io::Result<UnixDatagram> {
    let former = umask(Mode::from_bits_truncate(0o111));
    let bound = UnixDatagram::bind(path);
    umask(former);
    bound
}

/// The most descriptors of one kernel message (`SCM_MAX_FD`), which is more than a frame may have. With room for all of
/// them, the kernel hands over every descriptor, and this end closes the surplus.
pub(in crate::sys) const MOST_RECEIVED: usize = 253;

/// The alignment of a header among control messages: 4 bytes on Apple's systems, by `CMSG_SPACE(3)` of each system.
const HEADER_ALIGNMENT: usize = if cfg!(target_vendor = "apple") {
    4
} else {
    size_of::<usize>()
};

pub(crate) fn copy_of(open: &impl AsFd) -> io::Result<Handle> {
    open.as_fd().try_clone_to_owned()
}

pub(crate) fn wakeup_of(source: &impl AsFd) -> Wakeup<'_> {
    source.as_fd()
}

/// The number of bytes that represent a handle in a message: none, as handles travel beside the bytes.
pub(crate) const HANDLE_BYTES: usize = 0;

/// Returns no bytes: [`send`] takes the handles.
#[inline]
pub(crate) fn bytes_for(_socket: &Socket, _handles: &[Handle]) -> io::Result<[u8; 0]> {
    Ok([])
}

/// Returns no handle, as [`receive`] returns them.
#[inline]
pub(crate) fn adopt(_bytes: &[u8]) -> [Handle; 0] {
    []
}

/// Sends as many bytes as there is room for, with the handles on the first of them. Never waits.
pub(crate) fn send(socket: &Socket, bytes: &[u8], handles: &[Handle]) -> io::Result<usize> {
    let raw: Vec<_> = handles.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights };
    let flags = sys::SEND_FLAGS | MsgFlags::MSG_DONTWAIT;
    let bytes = [IoSlice::new(bytes)];
    Ok(sendmsg::<()>(
        socket.as_raw_fd(),
        &bytes,
        control,
        flags,
        None,
    )?)
}

/// Receives the bytes that have arrived, and their handles. Never waits.
pub(crate) fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    handles: &mut impl Extend<Handle>,
) -> io::Result<usize> {
    let mut space = cmsg_space!([RawFd; MOST_RECEIVED]);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | sys::RECEIVE_FLAGS;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let read = message.bytes;
    match message.cmsgs() {
        Ok(controls) => {
            for control in controls {
                if let ControlMessageOwned::ScmRights(received) = control {
                    handles.extend(received.into_iter().map(adopt_received));
                }
            }
        }
        // This process has no room for all of them, so the message counts without its handles. The other process is
        // healthy, and its end of the socket must not seem closed.
        Err(_) => drop(received_in_part(&space)),
    }
    Ok(read)
}

/// Returns the handles that the kernel installed before this process had no room for the next one. nix does not return
/// them.
pub(in crate::sys) fn received_in_part(mut control: &[u8]) -> Vec<Handle> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let mut received = Vec::new();
    while let Some((header, _)) = control.split_first_chunk::<HEADER>() {
        // SAFETY: the header consists of numbers, for which all bytes are valid, and the array has its size.
        let header = unsafe { header.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        #[allow(
            clippy::unnecessary_cast,
            reason = "the C libraries differ in the type"
        )]
        let length = header.cmsg_len as usize;
        // After the last header, the bytes are zero.
        let Some(numbers) = control.get(HEADER.next_multiple_of(HEADER_ALIGNMENT)..length) else {
            break;
        };
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            let numbers = numbers.chunks_exact(size_of::<RawFd>());
            let numbers = numbers.filter_map(|number| number.try_into().ok());
            received.extend(numbers.map(|number| adopt_received(RawFd::from_ne_bytes(number))));
        }
        let next = length.next_multiple_of(HEADER_ALIGNMENT);
        control = control.get(next..).unwrap_or_default();
    }
    received
}

fn adopt_received(received: RawFd) -> Handle {
    // SAFETY: the kernel made this descriptor for us when the message was received, and the message is looked at once.
    let fd = unsafe { OwnedFd::from_raw_fd(received) };
    // If the receiving call cannot set this flag, this is the first moment that can.
    let _ = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    fd
}

/// Waits until one of these sources can be read or is at its end. Returns which of them are, or `None` if none is after
/// this time. `Duration::MAX` means for ever. A signal may end the wait too.
pub(crate) fn await_readable<'a>(
    sources: impl IntoIterator<Item = Wakeup<'a>>,
    wait: Duration,
) -> Option<Vec<bool>> {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds: Vec<_> = sources.into_iter().map(readable).collect();
    let polled = loop {
        match sys::poll_for(&mut fds, wait) {
            // A look that does not wait ignores signals; a caller that waits checks its deadline in between.
            Err(nix::Error::EINTR) if wait.is_zero() => {}
            Err(nix::Error::EINVAL) => break poll_one_by_one(&mut fds, wait),
            polled => break polled,
        }
    };
    (polled != Ok(0)).then(|| fds.iter().map(|fd| fd.any() == Some(true)).collect())
}

/// Polls more descriptors than this process may have open, one by one, as `poll(2)` refuses them together. This happens
/// if another process has lowered the limit. Ends early, as a wait does on a signal.
fn poll_one_by_one(fds: &mut [PollFd<'_>], wait: Duration) -> nix::Result<i32> {
    const REST: Duration = Duration::from_millis(10);
    let found = fds
        .chunks_mut(1)
        .map(|fd| sys::poll_for(fd, Duration::ZERO).unwrap_or(0));
    match found.sum() {
        0 if wait.is_zero() => Ok(0),
        0 => sys::poll_for(&mut [], wait.min(REST)).and(Err(nix::Error::EINTR)),
        found => Ok(found),
    }
}

/// Returns whether the other end of the socket is closed in both directions.
pub(crate) fn is_hung_up(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let polled = sys::poll_for(&mut fds, Duration::ZERO);
    let events = fds[0].revents().unwrap_or(PollFlags::empty());
    polled.is_ok() && events.contains(PollFlags::POLLHUP)
}

/// Waits at most this long until the socket or the pipe has room.
pub(crate) fn await_writable(sink: &impl AsFd, wait: Duration) -> io::Result<()> {
    let mut fds = [PollFd::new(sink.as_fd(), PollFlags::POLLOUT)];
    Ok(sys::poll_for(&mut fds, wait).map(drop)?)
}

/// Connects to the Unix socket at this path. Also succeeds if its backlog is full, which shows that a busy process
/// listens there. A blocking socket would wait until that process accepts, for ever if it does not.
pub(crate) fn connect_within(path: &Path, wait: Duration) -> io::Result<Socket> {
    let socket = Socket::from(sys::unix_socket_that_never_waits()?);
    match connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(nix::Error::EAGAIN) => Ok(socket),
        Err(nix::Error::EINPROGRESS) => {
            await_writable(&socket, wait)?;
            socket.take_error()?.map_or(Ok(socket), Err)
        }
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::os::fd::IntoRawFd;

    use super::*;

    /// Other systems refuse the connection.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_listener_whose_backlog_is_full_is_found_without_a_wait() {
        use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, bind, listen, socket};

        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("socket");
        let (family, kind) = (AddressFamily::Unix, SockType::Stream);
        let listener = socket(family, kind, SockFlag::empty(), None).expect("a socket");
        let address = UnixAddr::new(&path).expect("a short path");
        bind(listener.as_raw_fd(), &address).expect("own directory");
        listen(&listener, Backlog::new(0).expect("a number")).expect("bound");
        let mut connected = Vec::new();
        for _ in 0..3 {
            let socket = connect_within(&path, Duration::ZERO).expect("a process listens");
            let flags = |argument| fcntl(&socket, argument).expect("own socket");
            assert_ne!(flags(FcntlArg::F_GETFL) & libc::O_NONBLOCK, 0);
            assert_ne!(flags(FcntlArg::F_GETFD) & libc::FD_CLOEXEC, 0);
            connected.push(socket);
        }
    }

    #[test]
    fn handles_received_in_part_are_closed() {
        let (mut reader, writer) = pipe().expect("a pipe");
        let copy = writer.try_clone().expect("a free descriptor");
        let numbers = [writer.into_raw_fd(), copy.into_raw_fd()];
        let rights = [ControlMessage::ScmRights(&numbers)];
        let (sender, receiver) = UnixStream::pair().expect("sockets");
        let bytes = [IoSlice::new(b"x")];
        let (none, flags) = (None, MsgFlags::empty());
        sendmsg::<()>(sender.as_raw_fd(), &bytes, &rights, flags, none).expect("it has room");
        let mut control = cmsg_space!([RawFd; 2]);
        let mut buffer = [0];
        let mut slices = [IoSliceMut::new(&mut buffer)];
        recvmsg::<()>(receiver.as_raw_fd(), &mut slices, Some(&mut control), flags)
            .expect("it was sent");
        drop(numbers.map(adopt_received));
        assert_eq!(received_in_part(&control).len(), 2);
        let mut rest = Vec::new();
        io::Read::read_to_end(&mut reader, &mut rest).expect("each writing end is closed");
    }
}
