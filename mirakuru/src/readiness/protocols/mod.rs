//! Checks that use the protocol of a server, with one file for each server.
//!
//! Each attempt opens one connection, and makes the first exchange that a client would make (`exchange.rs`). The file
//! of a server contains the check, and pure functions that read an answer.

mod amqp;
mod etcd;
pub(crate) mod exchange;
mod http_answer;
mod json;
mod memcached;
mod mqtt;
pub(crate) mod mysql;
mod nats;
pub(crate) mod postgres;
pub(crate) mod redis;
mod web_driver;

#[cfg(test)]
#[path = "../../../../tests/fuzz/protocols.rs"]
mod fuzz_protocols;

pub use amqp::Amqp;
pub use etcd::Etcd;
pub use memcached::Memcached;
pub use mqtt::Mqtt;
pub use mysql::Mysql;
pub use nats::Nats;
pub use postgres::Postgres;
pub use redis::Redis;
pub use web_driver::WebDriver;

use super::endpoint::Endpoint;
use super::listener::Seen;
use super::{Context, Manner, NotReady, Origin, Readiness, Target};
use exchange::Exchange;

/// A judgement of the bytes that a server has sent so far. More bytes never change `Ready` to `NotYet` or back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More bytes decide.
    More,
    /// The server is ready.
    Ready,
    /// The server is not ready, for this reason.
    NotYet(String),
}

impl Verdict {
    /// Returns the verdict about bytes that are not an answer of this server.
    fn no_answer_of(server: &str, bytes: &[u8]) -> Self {
        let line = bytes.split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        let shown = line[..line.len().min(LONGEST_SHOWN)].escape_ascii();
        Self::NotYet(format!("it answered, but not as {server}: \"{shown}\""))
    }

    /// Returns the verdict about an answer that gives the reason itself.
    fn not_yet(bytes: &[u8]) -> Self {
        Self::NotYet(format!("it answered: {}", readable(bytes)))
    }
}

/// How many bytes of an answer an error shows.
const LONGEST_SHOWN: usize = 200;

/// Returns the beginning of a text, in one line.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_SHOWN)]);
    let text = text.trim().replace(|letter: char| letter.is_control(), " ");
    if text.is_empty() { "nothing" } else { &text }.to_owned()
}

/// Splits the first line from the rest. Neither part contains the `\r\n` that ends the line.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// Asks over a new connection. Does not connect as long as the kernel reports that no process listens.
fn ask(
    at: &Endpoint,
    cx: &Context,
    ask: impl FnOnce(&mut Exchange) -> Result<(), NotReady>,
) -> Result<(), NotReady> {
    let seen = at.look(cx)?;
    let addresses = match &seen {
        Seen::At(address) => std::slice::from_ref(address),
        Seen::Unknown(addresses) => addresses,
    };
    // Leaves time before the deadline to report why no answer came.
    let mut exchange = Exchange::open(addresses, cx.patience().mul_f64(0.9))?;
    ask(&mut exchange)?;
    match seen {
        Seen::At(address) => {
            cx.note_answer(address);
            Ok(())
        }
        Seen::Unknown(_) => at.confirm(exchange.peer(), cx),
    }
}

/// Implements the check for a type with an endpoint (`at`), from a function that asks. `SERVER` names the server.
macro_rules! is_a_check {
    ($check:ident, $ask:expr) => {
        is_a_check!($check {}, $ask);
    };
    ($check:ident { $($option:ident: $default:expr),* $(,)? }, $ask:expr) => {
        impl $check {
            /// Creates a check for this host and port. Port 0 means the executor's own port.
            ///
            /// ```
            #[doc = concat!("use mirakuru::readiness::{", stringify!($check), ", Readiness, Tcp};")]
            ///
            #[doc = concat!("let answers = ", stringify!($check), "::new(\"127.0.0.1\", 0);")]
            /// let check = Tcp::new("127.0.0.1", 0).then(answers);
            /// assert!(!check.needs_own_process());
            /// ```
            #[must_use]
            pub fn new(host: impl Into<String>, port: u16) -> Self {
                let at = Endpoint::new(host.into(), port);
                Self { at, $($option: $default),* }
            }

            /// Accepts any listener, even one outside the service's process tree. See
            /// [`Tcp::any_listener`](crate::readiness::Tcp::any_listener).
            ///
            /// ```no_run
            #[doc = concat!("use mirakuru::{Executor, readiness::", stringify!($check), "};")]
            ///
            /// # fn main() -> mirakuru::Result<()> {
            #[doc = concat!("let check = ", stringify!($check), "::new(\"127.0.0.1\", 0).any_listener();")]
            /// let command = "docker run --rm -p {port}:1234 my-server";
            /// let service = Executor::with_readiness(command, check).started()?;
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn any_listener(mut self) -> Self {
                self.at = self.at.any_listener();
                self
            }
        }

        impl Readiness for $check {
            fn pre_start_check(&self, cx: &Context) -> bool {
                self.at.is_served(cx)
            }

            fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
                let ask: fn(&Self, &mut Exchange) -> Result<(), NotReady> = $ask;
                super::ask(&self.at, cx, |exchange| ask(self, exchange))
            }

            fn glance(&self, cx: &Context) -> Result<(), NotReady> {
                self.at.glance(cx)
            }

            fn describe(&self, cx: &Context) -> String {
                format!("{} to answer as {SERVER}", self.at.shown(cx))
            }

            fn validate(&self, cx: &Context) -> Result<(), $crate::readiness::ConfigError> {
                self.at.validate(cx)
            }

            fn target(&self) -> Target {
                self.at.target()
            }

            fn manner(&self, _cx: &Context) -> Manner {
                // If a server dies, another process may keep its connection open. The start must fail at once anyway,
                // so the exchange runs on a thread of its own.
                Manner {
                    keeps_time: false,
                    ..Manner::non_blocking()
                }
            }

            fn origin(&self, cx: &Context) -> Origin {
                self.at.origin(cx)
            }
        }
    };
}
use is_a_check;
