//! A session with MariaDB or MySQL in the text protocol: it sends a statement and returns the rows of the answer as
//! texts ([Client/Server Protocol](https://mariadb.com/kb/en/clientserver-protocol/)).

use std::io;

use super::super::connection::Connection;
use super::super::databases::{self, TEMPLATE};
use super::{USER, copy};
use crate::readiness::protocols::mysql::{error, packet};

/// The maximum size of an answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// `CLIENT_LONG_PASSWORD | CLIENT_LONG_FLAG | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS | CLIENT_SECURE_CONNECTION |
/// CLIENT_PLUGIN_AUTH`
const CAPABILITIES: u32 = 0x0008_a205;
const UTF8MB4: u8 = 45;
const QUERY: u8 = 3;

pub(super) type Row = Vec<String>;

#[derive(Debug)]
pub struct Session(Connection);

impl Session {
    /// Connects as the database user that needs no password.
    fn connect(address: &str) -> io::Result<Self> {
        let mut session = Self(Connection::open(address, MAX_ANSWER)?);
        session.read_packet()?;
        let mut greeting = CAPABILITIES.to_le_bytes().to_vec();
        greeting.extend((1_u32 << 24).to_le_bytes());
        greeting.push(UTF8MB4);
        greeting.extend([0; 23]);
        // The password is empty.
        for text in [USER, "", "mysql_native_password"] {
            greeting.extend(text.as_bytes());
            greeting.push(0);
        }
        session.send(1, &greeting)?;
        loop {
            let (sequence, body) = session.read_packet()?;
            match body.first() {
                Some(0) => return Ok(session),
                // The server requests another authentication method. The password is empty in each.
                Some(254) => session.send(sequence.wrapping_add(1), b"")?,
                Some(1) => {}
                _ => return Err(refusal(&body)),
            }
        }
    }

    /// Sends a statement, and returns its rows.
    pub(super) fn query(&mut self, statement: &str) -> io::Result<Vec<Row>> {
        self.send(0, &[&[QUERY], statement.as_bytes()].concat())?;
        let (_, first) = self.read_packet()?;
        match first.first() {
            Some(0) => return Ok(Vec::new()),
            Some(1..=250) => {}
            _ => return Err(refusal(&first)),
        }
        // The descriptions of the columns end at the first end packet. The rows follow.
        while !is_end(&self.read_packet()?.1) {}
        let mut rows = Vec::new();
        loop {
            let (_, body) = self.read_packet()?;
            if is_end(&body) {
                return Ok(rows);
            }
            if body.first() == Some(&255) {
                return Err(refusal(&body));
            }
            rows.push(texts(&body));
        }
    }

    fn send(&mut self, sequence: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let [low, middle, high, 0] = length.to_le_bytes() else {
            return Err(io::Error::other("the statement is too long"));
        };
        let head = [low, middle, high, sequence];
        self.0.send(&[&head[..], body].concat())
    }

    fn read_packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        self.0.take(|bytes| {
            let (sequence, body, rest) = packet(bytes)?;
            Some(((sequence, body.to_vec()), rest.len()))
        })
    }
}

/// The name of a database that exists only if the template is complete.
const COMPLETE: &str = "mirakuru_complete";

impl databases::Session for Session {
    fn open(address: &str) -> io::Result<Self> {
        Self::connect(address)
    }

    fn create(&mut self, name: &str, is_copy: bool) -> io::Result<()> {
        if !is_copy {
            self.query(&format!("CREATE DATABASE {name}"))?;
            return Ok(());
        }
        // The server's own statement contains the character set of the template.
        let made = self.query(&format!("SHOW CREATE DATABASE {TEMPLATE}"))?;
        let made = made.into_iter().flatten().nth(1).unwrap_or_default();
        self.query(&made.replacen(TEMPLATE, name, 1))?;
        copy::copy(self, TEMPLATE, name)
    }

    /// Ends the sessions first, because an open transaction would keep the tables locked.
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.query("SET lock_wait_timeout = 10")?;
        let sessions = "SELECT id FROM information_schema.processlist WHERE db =";
        for row in self.query(&format!("{sessions} '{name}'"))? {
            // `KILL` fails if the session has ended in the meantime.
            let _ = self.query(&format!("KILL {}", row.concat()));
        }
        self.query(&format!("DROP DATABASE IF EXISTS {name}"))?;
        Ok(())
    }

    fn has_template(&mut self) -> io::Result<bool> {
        let found = self.query(&format!("SHOW DATABASES LIKE '{COMPLETE}'"))?;
        Ok(!found.is_empty())
    }

    fn complete_template(&mut self) -> io::Result<()> {
        self.query(&format!("CREATE DATABASE {COMPLETE}"))?;
        Ok(())
    }

    fn url_of(address: &str, database: &str) -> String {
        format!("mysql://{USER}@{address}/{database}")
    }
}

fn refusal(body: &[u8]) -> io::Error {
    error(body).map_or_else(
        || io::Error::other("the server answered in another protocol"),
        io::Error::other,
    )
}

/// Returns whether a packet ends a list. A row that begins with 254 has at least nine bytes.
fn is_end(body: &[u8]) -> bool {
    body.first() == Some(&254) && body.len() < 9
}

/// Returns the columns of a row. NULL is an empty text.
fn texts(mut body: &[u8]) -> Row {
    let mut texts = Vec::new();
    while let Some((first, rest)) = body.split_first() {
        let width = match first {
            0..=250 => 0,
            251 => {
                texts.push(String::new());
                body = rest;
                continue;
            }
            252 => 2,
            253 => 3,
            _ => 8,
        };
        let (number, rest) = rest.split_at(width.min(rest.len()));
        let length = match width {
            0 => usize::from(*first),
            _ => number
                .iter()
                .rev()
                .fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let (text, rest) = rest.split_at(length.min(rest.len()));
        texts.push(String::from_utf8_lossy(text).into_owned());
        body = rest;
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_its_lengths() {
        assert_eq!(texts(b"\x02ab\xfb\x00\xfc\x01\x00c"), ["ab", "", "", "c"]);
        assert_eq!(texts(b"\xfd\xff\xff\xffab"), ["ab"]);
        assert_eq!(texts(b""), [""; 0]);
    }
}
