//! The check that is ready when memcached answers.

use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
    line,
};

const SERVER: &str = "memcached";

/// Ready when memcached answers `version`.
///
/// The server is ready if it answers with a line that contains its version
/// ([protocol.txt](https://github.com/memcached/memcached/blob/master/doc/protocol.txt)), or with the error that
/// requests a password (`-Y`). After any other error it is not ready, and an error of the start shows that text as the
/// last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Memcached};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "memcached -l {host} -p {port} -U 0";
/// let server = Executor::with_readiness(server, Memcached::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Memcached {
    at: Endpoint,
}

is_a_check!(Memcached, |_, exchange| exchange.ask(b"version\r\n", judge));

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    if bytes.first().is_some_and(|first| !b"CESV".contains(first)) {
        return Verdict::no_answer_of(SERVER, bytes);
    }
    let Some((line, _)) = line(bytes) else {
        return Verdict::More;
    };
    let is_error = |error: &&[u8]| line.starts_with(error);
    match line {
        [b'V', b'E', b'R', b'S', b'I', b'O', b'N', b' ', _, ..]
        | b"CLIENT_ERROR unauthenticated" => Verdict::Ready,
        _ if [&b"ERROR"[..], b"CLIENT_ERROR ", b"SERVER_ERROR "]
            .iter()
            .any(is_error) =>
        {
            Verdict::not_yet(line)
        }
        _ => Verdict::no_answer_of(SERVER, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_means_ready_and_an_error_is_quoted() {
        assert_eq!(judge(b"VERSION 1.6.38\r\n"), Verdict::Ready);
        assert_eq!(judge(b"CLIENT_ERROR unauthenticated\r\n"), Verdict::Ready);
        let why = "it answered: ERROR Too many open connections";
        let error = b"ERROR Too many open connections\r\n";
        assert_eq!(judge(error), Verdict::NotYet(why.to_owned()));
    }

    #[test]
    fn an_incomplete_line_decides_nothing() {
        for part in ["", "V", "VERSION 1.6.38", "VERSION 1.6.38\r"] {
            assert_eq!(judge(part.as_bytes()), Verdict::More);
        }
    }

    #[test]
    fn other_protocols_are_not_ready() {
        for other in [
            "HTTP/1.1 400 Bad Request\r\n",
            "VERSION \r\n",
            "-ERR unknown command\r\n",
        ] {
            let verdict = judge(other.as_bytes());
            assert!(
                matches!(&verdict, Verdict::NotYet(why) if why.contains("not as memcached")),
                "{verdict:?}"
            );
        }
    }
}
