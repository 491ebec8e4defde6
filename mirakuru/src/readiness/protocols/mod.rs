//! Checks in the protocols of servers, a file for each: the check, and pure functions that read an answer. They open
//! one connection for each attempt, and make the first exchange that a client would make (`exchange.rs`).

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

/// What the bytes that a server sent so far say. More bytes never change `Ready` to `NotYet` or back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More bytes decide.
    More,
    Ready,
    /// Why the server is not ready.
    NotYet(String),
}

impl Verdict {
    /// For what is no answer of this server.
    fn no_answer_of(server: &str, bytes: &[u8]) -> Self {
        let line = bytes.split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        let shown = line[..line.len().min(LONGEST_SHOWN)].escape_ascii();
        Self::NotYet(format!("it answered, but not as {server}: \"{shown}\""))
    }

    /// For what the server says about itself.
    fn not_yet(bytes: &[u8]) -> Self {
        Self::NotYet(format!("it answered: {}", readable(bytes)))
    }
}

/// How many bytes of an answer a person reads.
const LONGEST_SHOWN: usize = 200;

/// The beginning of a text, in one line.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_SHOWN)]);
    let text = text.trim().replace(|letter: char| letter.is_control(), " ");
    if text.is_empty() { "nothing" } else { &text }.to_owned()
}

/// Splits the first line from what follows. It ends with `\r\n`, which belongs to neither.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// Asks by a fresh connection. No connection is made before the kernel shows a listener, or cannot tell.
fn ask(
    at: &Endpoint,
    cx: &Context,
    ask: impl FnOnce(&mut Exchange) -> Result<(), NotReady>,
) -> Result<(), NotReady> {
    let seen = at.look(cx)?;
    let addresses = match &seen {
        Seen::At(address) => std::slice::from_ref(address),
        Seen::Untold(addresses) => addresses,
    };
    // Before the deadline there must be time to say why there was no answer.
    let mut exchange = Exchange::open(addresses, cx.patience().mul_f64(0.9))?;
    ask(&mut exchange)?;
    match seen {
        Seen::At(address) => {
            cx.note_answer(address);
            Ok(())
        }
        Seen::Untold(_) => at.confirm(exchange.peer(), cx),
    }
}

/// Makes a check of a type with an endpoint (`at`) and of a function that asks. `SERVER` names the server.
macro_rules! is_a_check {
    ($check:ident, $ask:expr) => {
        is_a_check!($check {}, $ask);
    };
    ($check:ident { $($option:ident: $default:expr),* $(,)? }, $ask:expr) => {
        impl $check {
            /// Checks this host and port; port 0 is the executor's own.
            #[must_use]
            pub fn new(host: impl Into<String>, port: u16) -> Self {
                let at = Endpoint::new(host.into(), port);
                Self { at, $($option: $default),* }
            }

            /// Accepts the answer of any process; see [`Tcp::any_listener`](crate::readiness::Tcp::any_listener).
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
                // A server that dies may leave the connection open in another process, and the start must fail at
                // once: the exchange has a thread apart.
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
