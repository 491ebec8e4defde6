//! The check that is ready when MariaDB or MySQL greets a client.

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
    readable,
};

const SERVER: &str = "MariaDB or MySQL";

/// Ready when MariaDB or MySQL greets a client.
///
/// The check sends nothing. The server is ready if it sends the initial handshake packet of protocol 10
/// ([MariaDB](https://mariadb.com/kb/en/connection/),
/// [MySQL](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html)). If it sends an
/// error packet, such as "Too many connections", it is not ready, and an error shows that text as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Mysql};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "mariadbd --no-defaults --datadir=/var/lib/app/data --port={port} --socket={tmpdir}/socket";
/// let server = Executor::with_readiness(server, Mysql::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mysql {
    at: Endpoint,
}

is_a_check!(Mysql, |_, exchange| {
    exchange.ask(b"", judge)?;
    exchange.close(b"");
    Ok(())
});

/// Splits off the first packet, if it is complete. Returns its number, its body, and the bytes after it.
pub(crate) fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[low, middle, high, number], bytes) = bytes.split_first_chunk()?;
    let length = u32::from_le_bytes([low, middle, high, 0]);
    let (body, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    Some((number, body, rest))
}

/// Returns the text of an error packet. Such a packet begins with 255 and the number of the error.
pub(crate) fn error(body: &[u8]) -> Option<String> {
    let (&[255, low, high], text) = body.split_first_chunk()? else {
        return None;
    };
    // After the handshake of the client, the server sends the SQLSTATE too.
    let text = match text {
        [b'#', state_and_text @ ..] => state_and_text.get(5..).unwrap_or_default(),
        text => text,
    };
    let number = u16::from_le_bytes([low, high]);
    Some(format!("{} (error {number})", readable(text)))
}

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    // The first packet has number 0, is shorter than 64 KiB, and begins with the protocol (10) or as an error (255).
    let may_begin = |(at, byte): (usize, &u8)| match at {
        2 | 3 => *byte == 0,
        4 => matches!(byte, 10 | 255),
        _ => true,
    };
    if !bytes.iter().enumerate().take(5).all(may_begin) {
        return Verdict::no_answer_of(SERVER, bytes);
    }
    let Some((_, body, _)) = packet(bytes) else {
        return Verdict::More;
    };
    // After the protocol come the version of the server, as text that ends with 0, and the number of the session.
    let version = body.iter().skip(1).position(|byte| *byte == 0);
    match (body, version) {
        ([10, ..], Some(length @ 1..)) if body.len() >= 1 + length + 1 + 4 => Verdict::Ready,
        _ => match error(body) {
            Some(text) => Verdict::NotYet(format!("it answered: {text}")),
            None => Verdict::no_answer_of(SERVER, bytes),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &[u8] = b"\x12\0\0\0\x0a11.8.3-x\0\x05\0\0\0abcd";
    const REFUSAL: &[u8] = b"\x17\0\0\0\xff\x10\x04Too many connections";

    #[test]
    fn a_greeting_means_ready() {
        assert_eq!(judge(GREETING), Verdict::Ready);
    }

    #[test]
    fn the_reason_quotes_an_error() {
        let why = "it answered: Too many connections (error 1040)";
        assert_eq!(judge(REFUSAL), Verdict::NotYet(why.to_owned()));
        let with_state = b"\x0b\0\0\0\xff\x10\x04#08004No";
        let why = "it answered: No (error 1040)";
        assert_eq!(judge(with_state), Verdict::NotYet(why.to_owned()));
    }

    #[test]
    fn an_incomplete_packet_decides_nothing() {
        for whole in [GREETING, REFUSAL] {
            for end in 0..whole.len() {
                assert_eq!(judge(&whole[..end]), Verdict::More, "{end}");
            }
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        let others: [&[u8]; 5] = [
            b"SSH-2.0-OpenSSH\r\n",
            b"INFO {}\r\n",
            b"\x01\0\0\0\x09",
            b"\0\0\0\0",
            b"\x03\0\0\0\x0aab",
        ];
        for other in others {
            let verdict = judge(other);
            assert!(
                matches!(&verdict, Verdict::NotYet(why) if why.contains("not as")),
                "{verdict:?}"
            );
        }
    }
}
