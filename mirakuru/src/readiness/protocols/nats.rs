//! The check that is ready when NATS answers `PING`.

use super::json::{Look, look};
use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
    line,
};

const SERVER: &str = "NATS";

const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\
    \"version\":\"1\",\"name\":\"mirakuru\",\"protocol\":1}\r\nPING\r\n";

/// Ready when NATS sends `INFO` and answers `PING`.
///
/// The check waits for `INFO`, and then sends `CONNECT` and `PING`
/// ([Client Protocol](https://docs.nats.io/reference/reference-protocols/nats-protocol)). The server is ready if it
/// answers with `PONG`, or with an error that requests a password or TLS. After any other error it is not ready, and an
/// error of the start shows that text as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Nats};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "nats-server -a {host} -p {port}";
/// let server = Executor::with_readiness(server, Nats::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Nats {
    at: Endpoint,
    jet_stream: bool,
}

impl Nats {
    /// Requires that `INFO` reports JetStream too.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Nats};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Nats::new("127.0.0.1", 0).jet_stream();
    /// let server = Executor::with_readiness("nats-server -p {port} --jetstream", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn jet_stream(mut self) -> Self {
        self.jet_stream = true;
        self
    }

    fn ask(&self, exchange: &mut Exchange) -> Result<(), NotReady> {
        exchange.ask(b"", |bytes| greeting(bytes, self.jet_stream))?;
        if needs_tls(exchange.received()) {
            return Ok(());
        }
        exchange.ask(CONNECT, answer)
    }
}

is_a_check!(Nats { jet_stream: false }, Nats::ask);

fn info(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"INFO ").map(<[u8]>::trim_ascii)
}

/// Returns whether the client must begin with TLS.
fn needs_tls(bytes: &[u8]) -> bool {
    let info = line(bytes).and_then(|(line, _)| info(line));
    info.is_some_and(|info| look(info, &["tls_required"]) == Look::Value(b"true"))
}

/// Judges the first line, which is `INFO` or an error.
pub(super) fn greeting(bytes: &[u8], jet_stream: bool) -> Verdict {
    let begin = bytes.len().min(5);
    let Some((first, _)) = line(bytes) else {
        return if [&b"INFO "[..begin], &b"-ERR "[..begin]].contains(&&bytes[..begin]) {
            Verdict::More
        } else {
            Verdict::no_answer_of(SERVER, bytes)
        };
    };
    match info(first) {
        Some(info) if info.starts_with(b"{") => {
            if jet_stream && look(info, &["jetstream"]) != Look::Value(b"true") {
                Verdict::NotYet("it answered, but JetStream is not enabled".to_owned())
            } else {
                Verdict::Ready
            }
        }
        None if first.starts_with(b"-ERR ") => Verdict::not_yet(first),
        _ => Verdict::no_answer_of(SERVER, bytes),
    }
}

/// Judges the lines after the first.
pub(super) fn answer(bytes: &[u8]) -> Verdict {
    let mut lines = bytes;
    while let Some((line, rest)) = line(lines) {
        lines = rest;
        match line {
            b"PONG" => return Verdict::Ready,
            [b'-', b'E', b'R', b'R', b' ', error @ ..] => {
                let error = error.trim_ascii();
                return if serves(error) {
                    Verdict::Ready
                } else {
                    Verdict::not_yet(error)
                };
            }
            b"PING" | b"+OK" => {}
            line if info(line).is_some() => {}
            _ => return Verdict::no_answer_of(SERVER, line),
        }
    }
    Verdict::More
}

/// Returns whether a server that serves its known clients reports this error.
fn serves(error: &[u8]) -> bool {
    let error = String::from_utf8_lossy(error).to_ascii_lowercase();
    let serves = [
        "authorization violation",
        "secure connection",
        "authentication expired",
    ];
    serves.iter().any(|text| error.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] =
        b"INFO {\"server_id\":\"N\",\"headers\":true,\"max_payload\":1,\"jetstream\":true} \r\n";

    #[test]
    fn a_greeting_reports_jet_stream() {
        assert_eq!(greeting(INFO, true), Verdict::Ready);
        let without = b"INFO {\"server_id\":\"\\\"jetstream\\\":true\"}\r\n";
        assert_eq!(greeting(without, false), Verdict::Ready);
        assert!(
            matches!(greeting(without, true), Verdict::NotYet(why) if why.contains("JetStream"))
        );
    }

    #[test]
    fn a_pong_or_a_request_for_a_password_means_ready() {
        let after = |text: &str| answer(&[INFO, text.as_bytes()].concat());
        assert_eq!(after("PING\r\nPONG\r\n"), Verdict::Ready);
        assert_eq!(after("-ERR 'Authorization Violation'\r\n"), Verdict::Ready);
        assert_eq!(
            after("-ERR 'Secure Connection - TLS Required'\r\n"),
            Verdict::Ready
        );
        let why = "it answered: 'maximum connections exceeded'".to_owned();
        assert_eq!(
            after("-ERR 'maximum connections exceeded'\r\n"),
            Verdict::NotYet(why)
        );
    }

    #[test]
    fn a_server_that_requires_tls_is_recognized() {
        assert!(needs_tls(b"INFO {\"tls_required\":true}\r\n"));
        assert!(!needs_tls(b"INFO {\"tls_required\":false}\r\n"));
        assert!(!needs_tls(INFO));
    }

    #[test]
    fn an_incomplete_line_decides_nothing() {
        for end in 0..INFO.len() {
            assert_eq!(greeting(&INFO[..end], true), Verdict::More, "{end}");
        }
        assert_eq!(answer(&[INFO, b"PONG\r"].concat()), Verdict::More);
    }

    #[test]
    fn other_protocols_are_not_ready() {
        for other in ["220 mail\r\n", "INFO \r\n", "INFO x\r\n", "HTTP", "\r\n"] {
            let verdict = greeting(other.as_bytes(), false);
            assert!(
                matches!(&verdict, Verdict::NotYet(why) if why.contains("not as NATS")),
                "{verdict:?}"
            );
        }
        assert!(matches!(
            answer(b"INFO {}\r\n220 mail\r\n"),
            Verdict::NotYet(_)
        ));
    }
}
