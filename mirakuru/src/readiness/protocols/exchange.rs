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
        let _ = self.send(request);
        loop {
            match judge(&self.received) {
                Verdict::Ready => return Ok(()),
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::wait::pause;

    /// For a server that must be left in time.
    const SHORT: Duration = Duration::from_millis(200);
    /// For a server whose answer decides.
    const LONG: Duration = Duration::from_secs(20);
    /// How much longer an exchange may take on a machine with much to do.
    const SLACK: Duration = Duration::from_secs(10);

    /// Asks a server, and returns the outcome. `serve` has the connection until it returns.
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

    /// Writes until the client has gone.
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
    fn an_answer_in_parts_is_read_to_its_end() {
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
    fn a_server_that_drips_is_left() {
        let serve = |client: &mut TcpStream| write_on(client, b"x", Duration::from_millis(5));
        assert_fails(ask(SHORT, serve, undecided), "did not answer in time");
    }

    #[test]
    fn a_server_that_never_answers_is_left() {
        let serve = |client: &mut TcpStream| drop(client.read_to_end(&mut Vec::new()));
        assert_fails(ask(SHORT, serve, undecided), "did not answer in time");
    }

    #[test]
    fn a_server_that_floods_is_left() {
        let serve = |client: &mut TcpStream| write_on(client, &[b'x'; 8_000], Duration::ZERO);
        assert_fails(ask(LONG, serve, undecided), "KiB that are no answer");
    }

    #[test]
    fn a_server_that_closes_the_connection_is_named_so() {
        assert_fails(ask(LONG, |_| {}, undecided), CLOSED);
    }

    #[test]
    fn a_reason_is_read_also_if_the_server_closes() {
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
