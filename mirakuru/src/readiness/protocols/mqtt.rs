//! The check that is ready when an MQTT broker answers.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
};

const SERVER: &str = "an MQTT broker";

const DISCONNECT: &[u8] = b"\xe0\0";

/// Ready when an MQTT broker, such as Mosquitto, answers a client.
///
/// The check sends CONNECT of [MQTT 3.1.1](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html) with a
/// clean session and a unique client identifier. The broker is ready if it answers with CONNACK, even one that refuses
/// this client because of its version, its identifier or its missing password. If the code means "server unavailable"
/// or "server busy", the broker is not ready, and an error shows the code as the last check. A client that was accepted
/// sends DISCONNECT.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Mqtt};
///
/// # fn main() -> mirakuru::Result<()> {
/// let broker = Executor::with_readiness("mosquitto -p {port}", Mqtt::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mqtt {
    at: Endpoint,
}

is_a_check!(Mqtt, |_, exchange| {
    exchange.ask(&connect(), judge)?;
    let accepted = exchange.received().get(3) == Some(&0);
    exchange.close(if accepted { DISCONNECT } else { b"" });
    Ok(())
});

/// Returns a CONNECT packet. Its client identifier has 23 letters and digits, the most that every broker must accept.
fn connect() -> Vec<u8> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed) % 0x1000_0000;
    let identifier = format!("mirakuru{:08x}{number:07x}", process::id());
    // Protocol level 4 (MQTT 3.1.1), a clean session, and a keep-alive of 60 seconds.
    let head = b"\0\x04MQTT\x04\x02\0\x3c\0\x17";
    [b"\x10\x23", &head[..], identifier.as_bytes()].concat()
}

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    // In MQTT 5.0, properties follow the code.
    let is_answer = match *bytes {
        [] | [0x20] => true,
        [0x20, length] => length >= 2,
        [0x20, length, flags, ..] => length >= 2 && flags <= 1,
        _ => false,
    };
    if !is_answer {
        return Verdict::no_answer_of(SERVER, bytes);
    }
    match bytes.get(3) {
        None => Verdict::More,
        // "Server unavailable" or "server busy": the code of MQTT 3.1.1, and those of 5.0.
        Some(code @ (3 | 0x88 | 0x89 | 0x97)) => Verdict::NotYet(format!(
            "it answered: the server is unavailable (code {code})"
        )),
        Some(0..=5 | 0x80..) => Verdict::Ready,
        Some(_) => Verdict::no_answer_of(SERVER, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_connect_means_ready() {
        for answer in [
            b"\x20\x02\0\0",
            b"\x20\x02\0\x05",
            b"\x20\x02\x01\0",
            b"\x20\x03\0\x84",
        ] {
            assert_eq!(judge(answer), Verdict::Ready, "{answer:?}");
        }
    }

    #[test]
    fn an_unavailable_broker_is_not_ready() {
        let why = "it answered: the server is unavailable (code 3)";
        assert_eq!(judge(b"\x20\x02\0\x03"), Verdict::NotYet(why.to_owned()));
    }

    #[test]
    fn an_incomplete_answer_decides_nothing() {
        for end in 0..4 {
            assert_eq!(judge(&b"\x20\x02\0\0"[..end]), Verdict::More);
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        let others: [&[u8]; 5] = [
            b"HTTP/1.1",
            b"\x20\x01",
            b"\x20\x02\x07",
            b" INFO",
            b"\x20\x02\0\x06",
        ];
        for other in others {
            assert!(matches!(judge(other), Verdict::NotYet(_)), "{other:?}");
        }
    }

    #[test]
    fn connect_has_a_unique_identifier_and_the_right_length() {
        let (one, two) = (connect(), connect());
        assert_ne!(one, two);
        assert_eq!(usize::from(one[1]) + 2, one.len());
        assert_eq!(usize::from(one[13]) + 14, one.len());
    }
}
