//! Sends and receives frames and handles over a stream socket.
//!
//! A frame is its length, the number of its handles, and its bytes. The handles travel with the first of these bytes.
//! The kernel never joins two messages that carry handles, so the handles arrive in the order of their frames. On a
//! system whose kernel carries no handles, the bytes that represent them (`HANDLE_BYTES` each) come before those of the
//! message.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::codec::Wire;
use crate::sys::{self, Handle, Socket};
use crate::wait::Deadline;

/// The most handles of one frame: two captured files, and the handles of the private directory and of the directory of
/// its socket.
const MAX_HANDLES: usize = 4;
/// The length of the longest frame. A launch is the longest message, and no system runs a command of this length.
pub(crate) const MAX_FRAME: usize = 64 << 20;
const HEADER: usize = 5;
/// The interval between two checks for room: no wait depends on one wake-up alone.
const LOOK: Duration = Duration::from_secs(1);

/// Sends one whole message, or fails at the deadline. Two threads must not call this at once.
pub(crate) fn send(
    socket: &Socket,
    message: &impl Wire,
    handles: &[Handle],
    deadline: Deadline,
) -> io::Result<()> {
    let bytes = message.to_bytes();
    let len = u32::try_from(bytes.len()).ok();
    let len = len.filter(|_| bytes.len() <= MAX_FRAME);
    let len = len.ok_or_else(|| io::Error::from_raw_os_error(sys::TOO_LONG))?;
    let count = u8::try_from(handles.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let copies = sys::bytes_for(socket, handles)?;
    let frame = [&len.to_le_bytes()[..], &[count], &copies, &bytes].concat();

    let mut sent = 0;
    while sent < frame.len() {
        // The handles go with the first bytes.
        let handles = if sent > 0 { &[] } else { handles };
        match sys::send(socket, &frame[sent..], handles) {
            Ok(len) => sent += len,
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock if deadline.has_passed() => {
                    return Err(ErrorKind::TimedOut.into());
                }
                ErrorKind::WouldBlock => {
                    let _ = sys::await_writable(socket, deadline.remaining().min(LOOK));
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// The received bytes and handles that are not yet a whole frame.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    handles: VecDeque<Handle>,
}

/// The messages that one read of a socket returned, each with its handles.
pub(crate) struct Received<M> {
    pub(crate) messages: Vec<(M, Vec<Handle>)>,
    /// The socket ended after these messages, or the next bytes are not a message. Nothing after that can be trusted.
    pub(crate) ended: bool,
}

impl<M> Default for Received<M> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            ended: false,
        }
    }
}

impl Inbox {
    /// Receives what has arrived, in at most this many parts of 16 KiB, without waiting.
    pub(crate) fn receive<M: Wire>(&mut self, socket: &Socket, parts: usize) -> Received<M> {
        let mut received = Received::default();
        for _ in 0..parts {
            match self.receive_part(socket, &mut received.messages) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    received.ended = true;
                    break;
                }
            }
        }
        received
    }

    /// Receives one part. Returns whether there was any data. Fails at the end of the socket, and if the bytes are not
    /// a message.
    fn receive_part<M: Wire>(
        &mut self,
        socket: &Socket,
        messages: &mut Vec<(M, Vec<Handle>)>,
    ) -> io::Result<bool> {
        let mut buffer = [0_u8; 16 << 10];
        let count = match sys::receive(socket, &mut buffer, &mut self.handles) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => return Ok(false),
                _ => return Err(error),
            },
        };
        self.bytes.extend_from_slice(&buffer[..count]);
        // Parsed after each part, so that the inbox never keeps more than one frame and the data of one kernel message.
        let mut declared = 0;
        while let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER>() {
            let [len @ .., count] = *header;
            let len = u32::from_le_bytes(len) as usize;
            declared = usize::from(count);
            if len > MAX_FRAME || declared > MAX_HANDLES {
                return Err(ErrorKind::InvalidData.into());
            }
            let copies = declared * sys::HANDLE_BYTES;
            let Some(bytes) = rest.get(..copies + len) else {
                break;
            };
            let (copies, bytes) = bytes.split_at(copies);
            self.handles.extend(sys::adopt(copies));
            let message = M::from_bytes(bytes).ok_or(ErrorKind::InvalidData)?;
            let handles = self.handles.drain(..declared.min(self.handles.len()));
            messages.push((message, handles.collect()));
            self.bytes
                .drain(..HEADER + declared * sys::HANDLE_BYTES + len);
            declared = 0;
        }
        if (1..HEADER).contains(&self.bytes.len()) {
            declared = MAX_HANDLES;
        }
        // The kernel never adds data to a message that carries handles, so none of these belongs to a later frame.
        self.handles.truncate(declared);
        Ok(true)
    }
}
