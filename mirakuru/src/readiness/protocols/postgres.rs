//! The check that is ready when PostgreSQL answers the startup message of a client.

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
    readable,
};

const SERVER: &str = "PostgreSQL";

/// The last message of a client.
pub(crate) const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Ready when a PostgreSQL server requests the password of a client, accepts the client, or refuses it because of its
/// name, its password or its database.
///
/// The check sends the startup message of protocol 3.0
/// ([Message Formats](https://www.postgresql.org/docs/current/protocol-message-formats.html)), and no password. The
/// server is ready if it answers with an authentication message. It is also ready if it answers with an error that only
/// a server reports that serves clients (SQLSTATE class 28, 3D000, 42501 and 55000). After any other error it is not
/// ready, such as 57P03 (the server starts, stops or recovers) and 53300 (too many clients). An error of the start
/// shows that text as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Postgres};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "postgres -D /var/lib/app/data -h {host} -p {port} -k {tmpdir}";
/// let server = Executor::with_readiness(server, Postgres::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Postgres {
    at: Endpoint,
    user: String,
    database: String,
}

impl Postgres {
    /// Sets the name of the user. Defaults to `postgres`. A server without this user logs an error.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Postgres};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Postgres::new("127.0.0.1", 0).user("app");
    /// let server = Executor::with_readiness("postgres -D /var/lib/app/data -p {port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = name.into();
        self
    }

    /// Sets the name of the database. Defaults to `postgres`. A server without this database logs an error.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Postgres};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "postgres -D /var/lib/shop/data -p {port} -k {tmpdir}";
    /// let check = Postgres::new("127.0.0.1", 0).user("shop").database("orders");
    /// let server = Executor::with_readiness(command, check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = name.into();
        self
    }

    fn ask(&self, exchange: &mut Exchange) -> Result<(), NotReady> {
        exchange.ask(&startup(&self.user, &self.database), judge)?;
        // While the server waits for a password, the client can end the session without an error only by closing the
        // connection.
        let accepted = message(exchange.received())
            .is_some_and(|message| (message.kind, message.body) == (b'R', &[0; 4]));
        exchange.close(if accepted { TERMINATE } else { b"" });
        Ok(())
    }
}

is_a_check!(
    Postgres {
        user: "postgres".to_owned(),
        database: "postgres".to_owned(),
    },
    Postgres::ask
);

/// Returns the first message of a client, with the names of its user and its database.
pub(crate) fn startup(user: &str, database: &str) -> Vec<u8> {
    let version = 3_u32 << 16;
    let mut body = version.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// One message of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u8,
    pub(crate) body: &'a [u8],
    /// The bytes after the message.
    pub(crate) rest: &'a [u8],
}

/// Returns the first message if it is complete. A length that is too small counts as that of an empty message.
pub(crate) fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let (kind, bytes) = bytes.split_first()?;
    let (length, bytes) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length).saturating_sub(4);
    let (body, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    Some(Message {
        kind: *kind,
        body,
        rest,
    })
}

/// Returns the SQLSTATE and the human-readable text of an `ErrorResponse`.
pub(crate) fn error(body: &[u8]) -> (String, String) {
    let field = |kind| {
        let mut fields = body.split(|byte| *byte == 0);
        let field = fields.find_map(|field| field.strip_prefix(&[kind]));
        readable(field.unwrap_or_default())
    };
    (field(b'C'), field(b'M'))
}

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    let mut rest = bytes;
    loop {
        // The answer and each message before it are shorter than 64 KiB.
        let may_come = match rest {
            [b'R' | b'E' | b'N' | b'v', length @ ..] => {
                length.iter().take(2).all(|byte| *byte == 0)
            }
            _ => rest.is_empty(),
        };
        if !may_come {
            return Verdict::no_answer_of(SERVER, bytes);
        }
        let Some(message) = message(rest) else {
            return Verdict::More;
        };
        match message.kind {
            b'R' if message.body.len() >= 4 => return Verdict::Ready,
            b'E' if !message.body.is_empty() => {
                let (code, text) = error(message.body);
                return if serves(&code) {
                    Verdict::Ready
                } else {
                    Verdict::NotYet(format!("it answered: {text} (SQLSTATE {code})"))
                };
            }
            // A notice, or a message about the minor version of the protocol.
            b'N' | b'v' => rest = message.rest,
            _ => return Verdict::no_answer_of(SERVER, bytes),
        }
    }
}

/// Returns whether only a server that serves clients reports this error. Such a server has checked the user and the
/// database.
fn serves(code: &str) -> bool {
    code.starts_with("28") || matches!(code, "3D000" | "42501" | "55000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str) -> Vec<u8> {
        let body = format!("SFATAL\0VFATAL\0C{code}\0Mthe text\0Fpostmaster.c\0\0");
        let length = u32::try_from(body.len() + 4).expect("short");
        [b"E", &length.to_be_bytes()[..], body.as_bytes()].concat()
    }

    #[test]
    fn a_server_that_requests_a_password_or_refuses_is_ready() {
        assert_eq!(judge(b"R\0\0\0\x08\0\0\0\0"), Verdict::Ready);
        assert_eq!(judge(b"R\0\0\0\x08\0\0\0\x03"), Verdict::Ready);
        for code in ["28000", "28P01", "3D000", "42501", "55000"] {
            assert_eq!(judge(&refusal(code)), Verdict::Ready, "{code}");
        }
    }

    #[test]
    fn the_reason_quotes_a_server_that_cannot_serve() {
        for code in ["57P03", "53300", "57P01", "XX000"] {
            let why = format!("it answered: the text (SQLSTATE {code})");
            assert_eq!(judge(&refusal(code)), Verdict::NotYet(why));
        }
    }

    #[test]
    fn an_incomplete_message_decides_nothing() {
        let whole = [b"N\0\0\0\x05\0", &*refusal("57P03")].concat();
        for end in 0..whole.len() {
            assert_eq!(judge(&whole[..end]), Verdict::More, "{end}");
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        for other in [
            "HTTP/1.1 400 Bad Request\r\n",
            "ERROR\r\n",
            "R\0\0\0\x04",
            "E\0\0\0\0",
        ] {
            let verdict = judge(other.as_bytes());
            assert!(
                matches!(&verdict, Verdict::NotYet(why) if why.contains("not as PostgreSQL")),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn the_first_message_names_user_and_database() {
        let expected = b"\0\0\0\x1b\0\x03\0\0user\0a\0database\0b\0\0";
        assert_eq!(startup("a", "b"), expected);
    }
}
