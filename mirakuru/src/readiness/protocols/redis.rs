//! The check that is ready when Redis answers `PING`.

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
    line,
};

const SERVER: &str = "Redis";

/// Ready when Redis, Valkey or KeyDB answers `PING`.
///
/// The server is ready if it answers with `+PONG`, or if it requests a password with `-NOAUTH` or `-NOPERM`
/// ([RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/)). After any other error it is not ready, such
/// as `-LOADING` (the server reads its data), `-MASTERDOWN`, `-BUSY` and `-MISCONF`. An error of the start shows that
/// text as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Redis};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "redis-server --port {port} --save ''";
/// let server = Executor::with_readiness(server, Redis::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Redis {
    at: Endpoint,
}

is_a_check!(Redis, |_, exchange| exchange
    .ask(&command(&["PING"]), judge));

/// Returns a command of these words.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let text = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    let texts: String = words.iter().map(text).collect();
    format!("*{}\r\n{texts}", words.len()).into_bytes()
}

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    if bytes.first().is_some_and(|kind| !b"+-".contains(kind)) {
        return Verdict::no_answer_of(SERVER, bytes);
    }
    let Some((line, _)) = line(bytes) else {
        return Verdict::More;
    };
    let first_word = line.split(|byte| *byte == b' ').next();
    match first_word.unwrap_or_default() {
        b"+PONG" | b"-NOAUTH" | b"-NOPERM" => Verdict::Ready,
        [b'-', _, ..] => Verdict::not_yet(&line[1..]),
        _ => Verdict::no_answer_of(SERVER, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADING: &[u8] = b"-LOADING Redis is loading the dataset in memory\r\n";

    #[test]
    fn a_pong_or_a_request_for_a_password_means_ready() {
        for answer in [
            "+PONG\r\n",
            "-NOAUTH Authentication required.\r\n",
            "-NOPERM x\r\n",
        ] {
            assert_eq!(judge(answer.as_bytes()), Verdict::Ready);
        }
    }

    #[test]
    fn the_reason_quotes_a_server_that_cannot_serve() {
        let why = "it answered: LOADING Redis is loading the dataset in memory";
        assert_eq!(judge(LOADING), Verdict::NotYet(why.to_owned()));
        for error in [
            "-MASTERDOWN x\r\n",
            "-BUSY x\r\n",
            "-MISCONF x\r\n",
            "-ERR max number of clients reached\r\n",
        ] {
            assert!(
                matches!(judge(error.as_bytes()), Verdict::NotYet(_)),
                "{error}"
            );
        }
    }

    #[test]
    fn an_incomplete_line_decides_nothing() {
        for end in 0..LOADING.len() {
            assert_eq!(judge(&LOADING[..end]), Verdict::More, "{end}");
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        let verdict = judge(b"HTTP/1.1 400 Bad Request\r\n");
        let why = "it answered, but not as Redis: \"HTTP/1.1 400 Bad Request\"";
        assert_eq!(verdict, Verdict::NotYet(why.to_owned()));
        for other in ["+PONGS\r\n", "+OK\r\n", "$4\r\n", "-\r\n", "- PONG\r\n"] {
            assert!(
                matches!(judge(other.as_bytes()), Verdict::NotYet(_)),
                "{other}"
            );
        }
    }

    #[test]
    fn a_command_is_an_array_of_texts() {
        assert_eq!(
            command(&["SELECT", "1"]),
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n"
        );
    }
}
