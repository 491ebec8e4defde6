//! The ready-made Redis server, or another server that speaks its protocol, and the reservation of numbered databases.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use super::connection::{connect, in_words};
use super::database::Database;
use super::kind::{Kind, Service, Setting};
use super::program::Server;
use crate::error::Result;
use crate::executor::Executor;
use crate::readiness::protocols::redis::command;
use crate::readiness::{self, Readiness};

/// A Redis, Valkey or KeyDB server. See [`redis`].
pub type RedisExecutor = Executor<Service<Redis>>;

/// The number of databases. Tests can reserve all of them except number 0.
const DATABASES: u32 = 1024;
/// The maximum size of an answer, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// The kind of [`RedisExecutor`].
#[derive(Clone, Debug)]
pub struct Redis {
    check: readiness::Redis,
}

/// Creates an executor for a Redis server, or for a Valkey or KeyDB server if Redis is not installed.
///
/// The server listens on `127.0.0.1` and writes nothing to the disk. `url()` returns `redis://127.0.0.1:PORT`. The
/// executor waits until the server answers `PING`; see [`readiness::Redis`].
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let redis = services::redis().config("maxmemory", "64mb").started()?;
/// println!("{}", redis.url()); // redis://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn redis() -> RedisExecutor {
    let words = [
        "--port",
        "{port}",
        "--bind",
        "{host}",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        "{tmpdir}",
        "--databases",
        "1024",
        // The server checks for a stop signal this many times a second.
        "--hz",
        "100",
    ];
    let check = readiness::Redis::new("127.0.0.1", 0);
    Service::executor("RedisExecutor", Redis { check }, words)
}

impl RedisExecutor {
    /// Reserves a numbered database for one test, and empties it.
    ///
    /// No other test in any process gets the number until the guard is dropped. The drop empties the database again.
    /// Number 0 is never reserved. A restart of the server ends all reservations.
    ///
    /// ```no_run
    /// use mirakuru::services;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let redis = services::redis().started()?;
    /// let database = redis.database()?;
    /// println!("{}", database.url()); // redis://127.0.0.1:24816/1
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Io`: the server is not running, it refused a command, or all numbers are reserved. `TimeoutExpired`: the server
    /// did not answer in time.
    pub fn database(&self) -> Result<Database> {
        if !self.core().is_up() {
            return Err(self.core().not_running("asked for a database"));
        }
        let address = self.addr();
        let reserved = reserve(&address);
        let (mut session, number) =
            reserved.map_err(|error| self.core().refused("reserve a database", error))?;
        let url = format!("redis://{address}/{number}");
        // The reservation lasts as long as the session, so it ends even if this process is killed.
        let session = std::sync::Mutex::new(move || drop(session.empty()));
        Ok(Database::new(url, number.to_string(), move || {
            if let Ok(mut empty) = session.into_inner() {
                empty();
            }
        }))
    }
}

impl Kind for Redis {
    const SERVER: Server = Server {
        title: "Redis",
        programs: &["redis-server", "valkey-server", "keydb-server"],
        directories: &[
            "/opt/homebrew/opt/redis/bin",
            "/opt/homebrew/opt/valkey/bin",
            "/usr/local/opt/redis/bin",
        ],
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["redis-server", "valkey", "redis"],
        container: "docker run --rm -p 127.0.0.1:{port}:6379 redis",
    };
    const URL: &'static str = "redis://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        // Quotes keep a value with spaces together.
        let values = shell_words::split(value).unwrap_or_else(|_| vec![value.to_owned()]);
        let values = if value.is_empty() {
            vec![String::new()]
        } else {
            values
        };
        Setting::Words([vec![format!("--{key}")], values].concat())
    }
}

/// Reserves a number by the name of the session. The session that sets the name first has the number.
fn reserve(address: &str) -> io::Result<(Session, u32)> {
    let mut session = Session::open(address)?;
    let mut taken = session.ask(&["CLIENT", "LIST"])?;
    for number in 1..DATABASES {
        let name = format!("mirakuru-database-{number}");
        if count(&taken, &name) > 0 {
            continue;
        }
        // The server runs no other command within the transaction. If two sessions try the same name, the second one
        // sees the first.
        session.ask(&["MULTI"])?;
        session.ask(&["CLIENT", "SETNAME", &name])?;
        session.ask(&["CLIENT", "LIST"])?;
        taken = session.ask(&["EXEC"])?;
        if count(&taken, &name) == 1 {
            session.ask(&["SELECT", &number.to_string()])?;
            session.ask(&["FLUSHDB"])?;
            // The server's option `timeout` ends idle sessions, except for those with a subscription.
            session.ask(&["SUBSCRIBE", &name])?;
            return Ok((session, number));
        }
        session.ask(&["CLIENT", "SETNAME", ""])?;
    }
    Err(io::Error::other("all databases are reserved"))
}

/// Counts the sessions with this name.
fn count(list: &str, name: &str) -> usize {
    let words = list.split_whitespace();
    words
        .filter(|word| word.strip_prefix("name=") == Some(name))
        .count()
}

/// A session in the protocol RESP ([specification](https://redis.io/docs/latest/develop/reference/protocol-spec/)).
struct Session(BufReader<TcpStream>);

impl Session {
    fn open(address: &str) -> io::Result<Self> {
        Ok(Self(BufReader::new(connect(address)?)))
    }

    /// Empties the database that the session has reserved.
    fn empty(&mut self) -> io::Result<()> {
        self.ask(&["UNSUBSCRIBE"])?;
        self.ask(&["FLUSHDB"])?;
        Ok(())
    }

    /// Sends a command, and returns the answer as text.
    fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        let sent = self.0.get_mut().write_all(&command(words));
        sent.and_then(|()| read(&mut self.0)).map_err(in_words)
    }
}

/// Reads an answer, and returns it as text. Each part of a list becomes a line.
fn read(from: &mut impl BufRead) -> io::Result<String> {
    let (mut answer, mut left) = (String::new(), 1_usize);
    while left > 0 {
        left -= 1;
        let mut line = Vec::new();
        let mut limited = from.by_ref().take(MAX_ANSWER as u64);
        limited.read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let (Some(kind), true) = (line.chars().next(), line.ends_with('\n')) else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        let text = line[kind.len_utf8()..].trim_end();
        let length = || usize::try_from(text.parse::<i64>().unwrap_or(-1)).ok();
        match kind {
            '+' | ':' => answer += text,
            '-' => return Err(io::Error::other(text.to_owned())),
            '*' => {
                left += length().unwrap_or(0).min(MAX_ANSWER);
                continue;
            }
            '$' => {
                let Some(length) = length() else { continue };
                let mut bytes = Vec::new();
                let with_end = length.min(MAX_ANSWER) as u64 + 2;
                from.by_ref().take(with_end).read_to_end(&mut bytes)?;
                bytes.truncate(length);
                answer += &String::from_utf8_lossy(&bytes);
            }
            _ => return Err(io::Error::other("the server answered in another protocol")),
        }
        answer.push('\n');
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_each_type_are_read() {
        let read = |bytes: &[u8]| read(&mut &*bytes).map_err(|error| error.to_string());
        assert_eq!(read(b"+OK\r\n"), Ok("OK\n".to_owned()));
        assert_eq!(
            read(b"*3\r\n:1\r\n$3\r\na\nb\r\n$-1\r\n"),
            Ok("1\na\nb\n".to_owned())
        );
        assert_eq!(read(b"-ERR no\r\n"), Err("ERR no".to_owned()));
        assert!(read(b"*2\r\n+OK\r\n").is_err() && read(b"").is_err());
        // A length without digits counts as a missing text.
        assert_eq!(read(b"*2\r\n$x\r\n+OK\r\n"), Ok("OK\n".to_owned()));
        assert!(read(b"$99999999999\r\nab").is_ok());
    }

    #[test]
    fn only_whole_names_are_counted() {
        let list = "id=1 name=mirakuru-database-1 db=0\nid=2 name=mirakuru-database-10 db=0\n";
        assert_eq!(count(list, "mirakuru-database-1"), 1);
        assert_eq!(count(list, "mirakuru-database-2"), 0);
    }
}
