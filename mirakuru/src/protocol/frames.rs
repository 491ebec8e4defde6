//! Frames and descriptors over a stream socket.
//!
//! A frame is its length, the number of descriptors that belong to it, and its bytes; the
//! descriptors travel with the first of them. The kernel never joins two messages that carry
//! descriptors, so they arrive in the order of their frames.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::sys;
use crate::wait::Deadline;

/// The most descriptors of one frame: three streams.
const MAX_DESCRIPTORS: usize = 3;
/// The longest frame. A launch is the longest message, and no system runs a command of this length.
pub(crate) const MAX_FRAME: usize = 64 << 20;
/// Room for more descriptors than a frame may have, so that the kernel hands over, and this end closes, all
/// that come with one message: `SCM_MAX_FD`.
const MOST_RECEIVED: usize = 253;
const HEADER: usize = 5;
/// No wait for room rests on one wake-up alone.
const LOOK: Duration = Duration::from_secs(1);

/// Sends one frame whole, or fails at the deadline. Two threads must not do so at once.
pub(crate) fn send(
    socket: &UnixStream,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> io::Result<()> {
    let mut frame = Vec::with_capacity(HEADER + bytes.len());
    let len = u32::try_from(bytes.len()).ok();
    let len = len.filter(|_| bytes.len() <= MAX_FRAME);
    frame.extend_from_slice(&len.ok_or(nix::Error::E2BIG)?.to_le_bytes());
    frame.push(u8::try_from(fds.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?);
    frame.extend_from_slice(bytes);

    let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let mut sent = 0;
    while sent < frame.len() {
        // The descriptors go with the first bytes.
        let control = if raw.is_empty() || sent > 0 {
            &[][..]
        } else {
            &rights
        };
        let rest = [IoSlice::new(&frame[sent..])];
        let flags = sys::SEND_FLAGS | MsgFlags::MSG_DONTWAIT;
        match sendmsg::<()>(socket.as_raw_fd(), &rest, control, flags, None) {
            Ok(len) => sent += len,
            Err(nix::Error::EINTR) => {}
            Err(nix::Error::EAGAIN) if deadline.has_passed() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(nix::Error::EAGAIN) => {
                let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                let _ = sys::poll_for(&mut fds, Some(deadline.remaining().min(LOOK)));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// What has arrived and was not taken yet.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Less than a frame.
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    frames: VecDeque<Frame>,
}

/// One message with its descriptors.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// What a look at the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Something,
    Nothing,
    End,
}

impl Inbox {
    /// Takes in a part of what has arrived; never waits. Fails where that is not a frame.
    pub(crate) fn receive(&mut self, socket: &UnixStream) -> io::Result<Arrived> {
        let mut buffer = [0_u8; 16 * 1024];
        let mut space = cmsg_space!([std::os::fd::RawFd; MOST_RECEIVED]);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | sys::RECEIVE_FLAGS;
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)
        {
            Ok(message) => message,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(Arrived::Nothing),
            Err(nix::Error::ECONNRESET) => return Ok(Arrived::End),
            Err(errno) => return Err(errno.into()),
        };
        let count = message.bytes;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control {
                self.fds
                    .extend(fds.into_iter().map(sys::adopt_received_descriptor));
            }
        }
        self.bytes.extend_from_slice(&buffer[..count]);
        self.split()?;
        Ok(if count == 0 {
            Arrived::End
        } else {
            Arrived::Something
        })
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// Takes the whole frames off the bytes. After each message, so that no more than one frame and what one
    /// message brings is ever kept.
    fn split(&mut self) -> io::Result<()> {
        let mut begin = 0;
        let mut declared = 0;
        while let Some((header, rest)) = self.bytes[begin..].split_first_chunk::<HEADER>() {
            let [len @ .., fds] = *header;
            let len = u32::from_le_bytes(len) as usize;
            declared = usize::from(fds);
            if len > MAX_FRAME || declared > MAX_DESCRIPTORS {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(bytes) = rest.get(..len) else { break };
            let fds = self.fds.drain(..declared.min(self.fds.len())).collect();
            let bytes = bytes.to_vec();
            self.frames.push_back(Frame { bytes, fds });
            begin += HEADER + len;
            declared = 0;
        }
        self.bytes.drain(..begin);
        if (1..HEADER).contains(&self.bytes.len()) {
            declared = MAX_DESCRIPTORS;
        }
        // The kernel ends a message that carries descriptors, so none of a later frame is among them.
        self.fds.truncate(declared);
        Ok(())
    }
}
