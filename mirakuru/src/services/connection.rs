//! The connection of a session with a server. Each read and write has a time limit, and each answer has a size limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::environment;

/// The longest time that a server may take to accept a connection, or to answer a statement.
const LIMIT: Duration = Duration::from_secs(30);

fn limit() -> Duration {
    LIMIT.mul_f64(environment::timeout_scale().unwrap_or(1.0))
}

/// Connects to a server. No read or write takes longer than the limit.
pub(super) fn connect(address: &str) -> io::Result<TcpStream> {
    let mut addresses = address.to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let limit = limit();
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// Replaces the error of a read or write that reached the time limit by an error that states the limit.
pub(super) fn in_words(error: io::Error) -> io::Error {
    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return error;
    }
    let reported = format!("the server has not answered within {} s", limit().as_secs());
    io::Error::new(ErrorKind::TimedOut, reported)
}

/// A connection, and the bytes that the server has sent and that are not parsed yet.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// The maximum size of one part of an answer, in bytes.
    max_size: usize,
}

impl Connection {
    pub(super) fn open(address: &str, max_size: usize) -> io::Result<Self> {
        Ok(Self {
            stream: connect(address)?,
            received: Vec::new(),
            max_size,
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).map_err(in_words)
    }

    /// Reads until `parse` finds a part of the answer, and returns that part. `parse` also returns the number of bytes
    /// after the part.
    pub(super) fn take<T>(&mut self, parse: impl Fn(&[u8]) -> Option<(T, usize)>) -> io::Result<T> {
        loop {
            if let Some((part, left)) = parse(&self.received) {
                self.received.drain(..self.received.len() - left);
                return Ok(part);
            }
            if self.received.len() > self.max_size {
                return Err(io::Error::other("the server's answer is too long"));
            }
            let mut part = [0; 8192];
            match self.stream.read(&mut part).map_err(in_words)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&part[..count]),
            }
        }
    }
}
