//! The check that is ready when a server answers as an AMQP broker.

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
};

const SERVER: &str = "an AMQP 0-9-1 broker";

/// Ready when an AMQP 0-9-1 broker, such as RabbitMQ, begins a session.
///
/// The check sends the header of the protocol ([AMQP 0-9-1](https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf),
/// 4.2.2). The broker is ready if it answers with the method `Connection.Start`. The check then closes the connection,
/// and RabbitMQ logs a warning about it. A broker that uses another version answers with a header of its own, and an
/// error names that version as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Amqp};
///
/// # fn main() -> mirakuru::Result<()> {
/// let broker = Executor::with_readiness("rabbitmq-server", Amqp::new("127.0.0.1", 0))
///     .env("RABBITMQ_NODE_PORT", "{port}")
///     .started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Amqp {
    at: Endpoint,
}

is_a_check!(Amqp, |_, exchange| {
    exchange.ask(b"AMQP\0\0\x09\x01", judge)?;
    exchange.close(b"");
    Ok(())
});

/// The first bytes of a frame: a method, on channel 0.
const FRAME: &[u8] = b"\x01\0\0";
/// The first class and method: `Connection.Start`.
const START: &[u8] = b"\0\x0a\0\x0a";

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    let begins = |expected: &[u8], at: usize| {
        let bytes = bytes.get(at..).unwrap_or_default();
        bytes
            .iter()
            .zip(expected)
            .all(|(byte, expected)| byte == expected)
    };
    match *bytes {
        [b'A', b'M', b'Q', b'P', ref version @ ..] if version.len() >= 4 => match *version {
            // The server sent the check's own header back.
            [0, 0, 9, 1, ..] => Verdict::no_answer_of(SERVER, bytes),
            [1, 1, 8, 0, ..] => another_version("0-8"),
            [1, 1, 0, minor, ..] => another_version(&format!("0-{minor}")),
            [_, major, minor, revision, ..] => {
                another_version(&format!("{major}.{minor}.{revision}"))
            }
            _ => Verdict::More,
        },
        _ if begins(b"AMQP", 0) && bytes.len() < 8 => Verdict::More,
        // Four bytes with the length of the frame come between the two parts.
        _ if begins(FRAME, 0) && begins(START, 7) => {
            if bytes.len() >= 11 {
                Verdict::Ready
            } else {
                Verdict::More
            }
        }
        _ => Verdict::no_answer_of(SERVER, bytes),
    }
}

fn another_version(version: &str) -> Verdict {
    Verdict::NotYet(format!("it uses AMQP {version} instead of 0-9-1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"\x01\0\0\0\0\x01\xf4\0\x0a\0\x0a\0\x09\0\0\x01\xcf";

    #[test]
    fn the_start_of_a_connection_means_ready() {
        assert_eq!(judge(ANSWER), Verdict::Ready);
    }

    #[test]
    fn the_reason_names_another_version() {
        for (header, version) in [
            (b"AMQP\0\x01\0\0", "1.0.0"),
            (b"AMQP\x03\x01\0\0", "1.0.0"),
            (b"AMQP\x01\x01\0\x0a", "0-10"),
        ] {
            let why = format!("it uses AMQP {version} instead of 0-9-1");
            assert_eq!(judge(header), Verdict::NotYet(why));
        }
    }

    #[test]
    fn an_incomplete_answer_decides_nothing() {
        for end in 0..11 {
            assert_eq!(judge(&ANSWER[..end]), Verdict::More, "{end}");
        }
        for end in 0..8 {
            assert_eq!(judge(&b"AMQP\0\x01\0\0"[..end]), Verdict::More, "{end}");
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        for other in [
            &b"HTTP/1.1"[..],
            b"AMQP\0\0\x09\x01",
            b"\x01\0\x01",
            b"\x01\0\0\0\0\0\x08\0\x14",
        ] {
            assert!(matches!(judge(other), Verdict::NotYet(_)), "{other:?}");
        }
    }
}
