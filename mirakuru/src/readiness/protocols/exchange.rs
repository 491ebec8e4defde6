//! One exchange with a server, by a connection of its own. It has one end in time, whatever the server does, and reads
//! a limited number of bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Verdict;
use crate::readiness::NotReady;
use crate::readiness::listener::connection;

/// How many bytes a server may send before it has answered.
const LONGEST: usize = 64 << 10;
const CLOSED: &str = "it closed the connection before it had answered";

/// A connection to a server, and what it has sent.
pub(crate) struct Exchange {
    stream: TcpStream,
    peer: SocketAddr,
    end: Instant,
    received: Vec<u8>,
}

impl Exchange {
    /// Connects to one of these addresses. The whole exchange ends within `patience`.
    pub(crate) fn open(addresses: &[SocketAddr], patience: Duration) -> Result<Self, NotReady> {
        let end = Instant::now() + patience;
        let (stream, peer) = connection(addresses, patience)?;
        // A request is sent in one piece, and a server may wait for it.
        let _ = stream.set_nodelay(true);
        Ok(Self {
            stream,
            peer,
            end,
            received: Vec::new(),
        })
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// All that the server has sent.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Sends the request, and reads until `judge` has a verdict about all that the server has sent.
    pub(crate) fn ask(
        &mut self,
        request: &[u8],
        judge: impl Fn(&[u8]) -> Verdict,
    ) -> Result<(), NotReady> {
        // A server that refuses a client sends the reason and closes: the reason is read even if nothing can be sent.
        let sent = self.send(request);
        loop {
            match judge(&self.received) {
                Verdict::Ready => return sent,
                Verdict::NotYet(why) => return Err(NotReady::new(why)),
                Verdict::More => self.read()?,
            }
        }
    }

    /// Closes the connection in order: sends these last words, and takes what has arrived, as the kernel would
    /// otherwise report a reset connection to the server.
    pub(crate) fn close(&mut self, last_words: &[u8]) {
        let _ = self.send(last_words);
        let _ = self.stream.shutdown(Shutdown::Write);
        if self.stream.set_nonblocking(true).is_ok() {
            let mut part = [0; 4096];
            let parts = LONGEST / part.len();
            let _ = (0..parts).find(|_| !matches!(self.stream.read(&mut part), Ok(1..)));
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), NotReady> {
        let left = self.left()?;
        self.stream.set_write_timeout(Some(left))?;
        self.stream
            .write_all(bytes)
            .map_err(|error| self.failed(&error))
    }

    fn read(&mut self) -> Result<(), NotReady> {
        if self.received.len() >= LONGEST {
            let flood = format!(
                "it sent {} KiB that are no answer",
                self.received.len() >> 10
            );
            return Err(NotReady::new(flood));
        }
        let left = self.left()?;
        self.stream.set_read_timeout(Some(left))?;
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            Ok(0) => Err(NotReady::new(CLOSED)),
            Ok(count) => {
                self.received.extend_from_slice(&part[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What is left of the time.
    fn left(&self) -> Result<Duration, NotReady> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(self.silent())
        } else {
            Ok(left)
        }
    }

    fn silent(&self) -> NotReady {
        NotReady::new(format!("{} did not answer in time", self.peer))
    }

    fn failed(&self, error: &std::io::Error) -> NotReady {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.silent(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => NotReady::new(CLOSED),
            _ => error.into(),
        }
    }
}
