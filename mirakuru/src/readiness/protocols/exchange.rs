//! One exchange with a server, over a connection of its own.
//!
//! An exchange has one deadline and reads a limited number of bytes, whatever the server does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Verdict;
use crate::readiness::NotReady;
use crate::readiness::listener::connection;

/// How many bytes a server may send before its answer is complete.
const LONGEST: usize = 64 << 10;
const CLOSED: &str = "it closed the connection before it had answered";

/// A connection to a server, and the bytes that the server has sent.
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
        // The server may wait for the request, so the kernel must not delay it.
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

    /// Returns all bytes that the server has sent.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Sends the request, and reads until `judge` returns a verdict about all bytes that the server has sent.
    pub(crate) fn ask(
        &mut self,
        request: &[u8],
        judge: impl Fn(&[u8]) -> Verdict,
    ) -> Result<(), NotReady> {
        // A server that refuses a client sends the reason and closes the connection. The reason is read even if the
        // request could not be sent.
        let _ = self.send(request);
        loop {
            match judge(&self.received) {
                Verdict::Ready => return Ok(()),
                Verdict::NotYet(why) => return Err(NotReady::new(why)),
                Verdict::More => self.read()?,
            }
        }
    }

    /// Closes the connection cleanly: sends this last message, and reads the bytes that have arrived. With unread
    /// bytes, the kernel would reset the connection instead.
    pub(crate) fn close(&mut self, last_message: &[u8]) {
        let _ = self.send(last_message);
        let _ = self.stream.shutdown(Shutdown::Write);
        if self.stream.set_nonblocking(true).is_ok() {
            let _ = io::copy(&mut (&self.stream).take(LONGEST as u64), &mut io::sink());
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
                "it sent {} KiB without an answer",
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

    /// Returns the time until the deadline.
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::wait::pause;

    /// The patience for a server that never completes its answer.
    const SHORT: Duration = Duration::from_millis(200);
    /// The patience for a server whose answer decides.
    const LONG: Duration = Duration::from_secs(20);
    /// How much longer an exchange may take on a busy machine.
    const SLACK: Duration = Duration::from_secs(10);

    /// Asks a server, and returns the outcome. `serve` owns the server's side of the connection until it returns.
    fn ask(
        patience: Duration,
        serve: impl FnOnce(&mut TcpStream) + Send,
        judge: impl Fn(&[u8]) -> Verdict,
    ) -> Result<(), NotReady> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::scope(|scope| {
            scope.spawn(move || serve(&mut listener.accept().expect("a client").0));
            let begin = Instant::now();
            let mut exchange = Exchange::open(&[address], patience)?;
            let outcome = exchange.ask(b"question", judge);
            assert!(exchange.received().len() <= LONGEST + 4096);
            assert!(begin.elapsed() < patience + SLACK);
            outcome
        })
    }

    fn undecided(_: &[u8]) -> Verdict {
        Verdict::More
    }

    /// Writes until the client has closed the connection.
    fn write_on(client: &mut TcpStream, part: &[u8], interval: Duration) {
        while client.write_all(part).is_ok() {
            pause(interval);
        }
    }

    #[track_caller]
    fn assert_fails(outcome: Result<(), NotReady>, expected: &str) {
        let reason = outcome.expect_err("it is not ready").reason;
        assert!(reason.ends_with(expected), "{reason}");
    }

    #[test]
    fn an_answer_in_parts_is_read_completely() {
        let judge = |bytes: &[u8]| match bytes {
            b"answer" => Verdict::Ready,
            _ => Verdict::More,
        };
        let serve = |client: &mut TcpStream| {
            let mut question = [0; 8];
            client.read_exact(&mut question).expect("a question");
            assert_eq!(&question, b"question");
            for byte in b"answer" {
                client.write_all(&[*byte]).expect("the client reads");
                pause(Duration::from_millis(1));
            }
        };
        assert!(ask(LONG, serve, judge).is_ok());
    }

    #[test]
    fn a_server_that_sends_slowly_times_out() {
        let serve = |client: &mut TcpStream| write_on(client, b"x", Duration::from_millis(5));
        assert_fails(ask(SHORT, serve, undecided), "did not answer in time");
    }

    #[test]
    fn a_server_that_never_answers_times_out() {
        let serve = |client: &mut TcpStream| drop(client.read_to_end(&mut Vec::new()));
        assert_fails(ask(SHORT, serve, undecided), "did not answer in time");
    }

    #[test]
    fn a_flood_without_an_answer_fails() {
        let serve = |client: &mut TcpStream| write_on(client, &[b'x'; 8_000], Duration::ZERO);
        assert_fails(ask(LONG, serve, undecided), "KiB without an answer");
    }

    #[test]
    fn a_closed_connection_fails() {
        assert_fails(ask(LONG, |_| {}, undecided), CLOSED);
    }

    #[test]
    fn a_close_with_unread_bytes_does_not_reset_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut exchange = Exchange::open(&[address], LONG).expect("it listens");
        let (mut server, _) = listener.accept().expect("a client");
        let mut unread = [b'x'; 16 << 10];
        server.write_all(&unread).expect("the buffers have room");
        while exchange.stream.peek(&mut unread).expect("it is open") < unread.len() {
            pause(Duration::from_millis(1));
        }
        exchange.close(b"bye");
        drop(exchange);
        let mut received = String::new();
        server.read_to_string(&mut received).expect("a clean end");
        assert_eq!(received, "bye");
        assert!(server.take_error().expect("own socket").is_none());
    }

    #[test]
    fn a_reason_is_read_even_if_the_server_closes() {
        let judge = |bytes: &[u8]| match bytes {
            b"full" => Verdict::NotYet("full".to_owned()),
            _ => Verdict::More,
        };
        let serve = |client: &mut TcpStream| {
            client.write_all(b"full").expect("the client reads");
            client.shutdown(Shutdown::Both).expect("it is open");
        };
        assert_fails(ask(LONG, serve, judge), "full");
    }
}
