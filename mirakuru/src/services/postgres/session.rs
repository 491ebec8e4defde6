//! A session with PostgreSQL in the simple query protocol: it sends a statement and returns the rows of the answer as
//! texts ([Message Flow](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY)).

use std::io;

use super::super::connection::Connection;
use super::super::databases::{self, TEMPLATE};
use super::USER;
use crate::readiness::protocols::postgres::{Message, error, message, startup};

/// The maximum size of an answer, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// The maximum number of checks whether the sessions of a database have ended.
const MAX_CHECKS: usize = 1000;

#[derive(Debug)]
pub struct Session {
    connection: Connection,
    /// The major version of the server.
    version: u32,
}

impl Session {
    fn connect(address: &str) -> io::Result<Self> {
        let mut session = Self {
            connection: Connection::open(address, MAX_ANSWER)?,
            version: 0,
        };
        session.exchange(&startup(USER, USER))?;
        Ok(session)
    }

    /// Sends statements, and returns the rows of all of them.
    fn query(&mut self, statements: &str) -> io::Result<Vec<Vec<String>>> {
        let length = u32::try_from(statements.len() + 5).map_err(io::Error::other)?;
        let length = length.to_be_bytes();
        self.exchange(&[b"Q", &length[..], statements.as_bytes(), b"\0"].concat())
    }

    /// Sends a message, and reads until the server is ready for the next one.
    fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<Vec<String>>> {
        self.connection.send(request)?;
        let (mut rows, mut failure) = (Vec::new(), None::<String>);
        let parse = |bytes: &[u8]| {
            let Message { kind, body, rest } = message(bytes)?;
            Some(((kind, body.to_vec()), rest.len()))
        };
        loop {
            // A server that refuses a session sends the reason, and closes the connection.
            let (kind, body) = self.connection.take(parse).map_err(|error| {
                let why = failure.take();
                match why {
                    Some(why) => io::Error::new(error.kind(), why),
                    None => error,
                }
            })?;
            match kind {
                b'D' => rows.push(texts(&body)),
                b'S' => self.version = version(&body).unwrap_or(self.version),
                b'R' if body != [0; 4] => {
                    return Err(io::Error::other("the server asks for a password"));
                }
                b'E' => {
                    let (code, text) = error(&body);
                    failure = Some(format!("{text} (SQLSTATE {code})"));
                }
                _ => {}
            }
            if kind == b'Z' {
                return failure.map_or(Ok(rows), |failure| Err(io::Error::other(failure)));
            }
        }
    }

    /// Ends the sessions of a database, and waits until none is left.
    fn end_sessions(&mut self, name: &str) -> io::Result<()> {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname =";
        // The loop needs no pause: a check takes about as long as a session takes to end.
        for _ in 0..MAX_CHECKS {
            if self.query(&format!("{end} '{name}'"))?.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

impl databases::Session for Session {
    fn open(address: &str) -> io::Result<Self> {
        Self::connect(address)
    }

    fn create(&mut self, name: &str, is_copy: bool) -> io::Result<()> {
        let template = if is_copy { TEMPLATE } else { "template1" };
        // `FILE_COPY` avoids the write-ahead log, which nothing reads here. Versions before 15 have no other strategy.
        let strategy = if self.version >= 15 {
            " STRATEGY FILE_COPY"
        } else {
            ""
        };
        self.query(&format!(
            "CREATE DATABASE {name} TEMPLATE {template}{strategy}"
        ))?;
        Ok(())
    }

    /// Ends the sessions first, because `DROP DATABASE … WITH (FORCE)` checks for their end only ten times a second.
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.end_sessions(name)?;
        let force = if self.version >= 13 {
            " WITH (FORCE)"
        } else {
            ""
        };
        self.query(&format!("DROP DATABASE IF EXISTS {name}{force}"))?;
        Ok(())
    }

    fn has_template(&mut self) -> io::Result<bool> {
        let complete = "SELECT 1 FROM pg_database WHERE NOT datallowconn AND datname =";
        let found = self.query(&format!("{complete} '{TEMPLATE}'"))?;
        Ok(!found.is_empty())
    }

    fn complete_template(&mut self) -> io::Result<()> {
        // The server does not copy a database that has sessions.
        self.query(&format!(
            "ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"
        ))?;
        self.end_sessions(TEMPLATE)
    }

    fn url_of(address: &str, database: &str) -> String {
        format!("postgres://{USER}@{address}/{database}")
    }
}

/// Returns the columns of a row. NULL is an empty text.
fn texts(body: &[u8]) -> Vec<String> {
    let mut left = body.get(2..).unwrap_or_default();
    let mut texts = Vec::new();
    while let Some((length, rest)) = left.split_first_chunk() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (text, rest) = rest.split_at(length.min(rest.len()));
        texts.push(String::from_utf8_lossy(text).into_owned());
        left = rest;
    }
    texts
}

/// Returns the major version if the parameter is the server's version.
fn version(body: &[u8]) -> Option<u32> {
    let text = body.strip_prefix(b"server_version\0")?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<u8> = digits.copied().collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_row_is_read_by_its_lengths() {
        let row = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(texts(row), ["ab", "", ""]);
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"\0\x01\x7f\xff\xff\xffab"), ["ab"]);
    }

    #[test]
    fn the_major_version_of_the_server_is_read() {
        assert_eq!(version(b"server_version\x0015.18 (Debian)\0"), Some(15));
        assert_eq!(version(b"server_encoding\0UTF8\0"), None);
    }

    /// The server waits for the password, so the session must not wait for the server.
    #[test]
    fn a_server_that_asks_for_a_password_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let session = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = listener.accept().expect("a client").0;
                client.write_all(b"R\0\0\0\x08\0\0\0\x03").expect("room");
                client.read_to_end(&mut Vec::new()).expect("it closes");
            });
            Session::connect(&address)
        });
        let error = session.expect_err("it has no password");
        assert_eq!(error.to_string(), "the server asks for a password");
    }
}
