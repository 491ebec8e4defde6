//! Requests a path with HTTP/1.1, and reads the status and the body of an answer that may be incomplete.
//!
//! The checks of etcd and WebDriver use it. It needs no HTTP library, so they work without the feature `http`.

use super::json::{Look, look};
use super::{Exchange, NotReady, Verdict, line, readable};

/// Requests this path, and reads until `judge` returns a verdict about the answer.
pub(super) fn get(
    exchange: &mut Exchange,
    path: &str,
    judge: impl Fn(&[u8]) -> Verdict,
) -> Result<(), NotReady> {
    let host = exchange.peer();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    exchange.ask(request.as_bytes(), judge)
}

/// Judges an answer. The server is ready if the status is 200 and the JSON body has one of these values at this path.
pub(super) fn judge(bytes: &[u8], server: &str, path: &[&str], values: &[&[u8]]) -> Verdict {
    let (status, body, is_whole) = match read(bytes) {
        Answer::More => return Verdict::More,
        Answer::Other => return Verdict::no_answer_of(server, bytes),
        Answer::Begun {
            status,
            body,
            is_whole,
        } => (status, body, is_whole),
    };
    match look(&body, path) {
        Look::Value(value) if status == 200 && values.contains(&value) => Verdict::Ready,
        Look::More if !is_whole => Verdict::More,
        _ => Verdict::NotYet(format!(
            "it answered with status {status}: {}",
            readable(&body)
        )),
    }
}

/// The beginning of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// More bytes decide.
    More,
    /// The bytes are not HTTP.
    Other,
    /// The head is complete, and a part of the body has arrived.
    Begun {
        status: u16,
        body: Vec<u8>,
        /// Whether the body is complete.
        is_whole: bool,
    },
}

/// Reads the status and the body of an answer, once its head is complete.
fn read(mut bytes: &[u8]) -> Answer {
    loop {
        let version = b"HTTP/1.";
        let begin = bytes.len().min(version.len());
        if bytes[..begin] != version[..begin] {
            return Answer::Other;
        }
        let Some((first, rest)) = line(bytes) else {
            return Answer::More;
        };
        let Some(status) = status(first) else {
            return Answer::Other;
        };
        let Some((framing, rest)) = framing(rest) else {
            return Answer::More;
        };
        if (100..200).contains(&status) {
            // The final answer follows this interim one.
            bytes = rest;
            continue;
        }
        let (body, is_whole) = match framing {
            Framing::Chunks => joined(rest),
            Framing::Length(length) => {
                let body = &rest[..rest.len().min(length)];
                (body.to_vec(), rest.len() >= length)
            }
            Framing::Close => (rest.to_vec(), false),
        };
        return Answer::Begun {
            status,
            body,
            is_whole,
        };
    }
}

/// The rule by which a body ends.
enum Framing {
    Chunks,
    Length(usize),
    Close,
}

/// Reads the fields of a head, and returns the framing of the body and the bytes after the head.
fn framing(mut rest: &[u8]) -> Option<(Framing, &[u8])> {
    let mut framing = Framing::Close;
    loop {
        let (field, after) = line(rest)?;
        rest = after;
        if field.is_empty() {
            return Some((framing, rest));
        }
        let field = String::from_utf8_lossy(field).to_ascii_lowercase();
        let (name, value) = field.split_once(':').unwrap_or_default();
        match (name, value.trim().parse()) {
            ("transfer-encoding", _) if value.trim().ends_with("chunked") => {
                framing = Framing::Chunks;
            }
            ("content-length", Ok(length)) if !matches!(framing, Framing::Chunks) => {
                framing = Framing::Length(length);
            }
            _ => {}
        }
    }
}

fn status(line: &[u8]) -> Option<u16> {
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    let code = words.next().filter(|code| code.len() == 3)?;
    String::from_utf8_lossy(code)
        .parse()
        .ok()
        .filter(|code| *code >= 100)
}

/// Joins the chunks that have arrived, and returns whether the last chunk has arrived.
fn joined(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some((size, after)) = line(rest) {
        let digits = size.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = String::from_utf8_lossy(digits.trim_ascii());
        // An invalid size ends the body.
        let size = usize::from_str_radix(&digits, 16).unwrap_or(0);
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&after[..after.len().min(size)]);
        rest = after.get(size.saturating_add(2)..).unwrap_or_default();
    }
    (body, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_read(bytes: &str, status: u16, body: &str, is_whole: bool) {
        let body = body.as_bytes().to_vec();
        assert_eq!(
            read(bytes.as_bytes()),
            Answer::Begun {
                status,
                body,
                is_whole
            }
        );
    }

    #[test]
    fn the_head_decides_where_the_body_ends() {
        assert_read(
            "HTTP/1.1 200 OK\r\nCONTENT-length: 3\r\n\r\nabcd",
            200,
            "abc",
            true,
        );
        assert_read(
            "HTTP/1.1 200 OK\r\nContent-Length:3\r\n\r\nab",
            200,
            "ab",
            false,
        );
        assert_read("HTTP/1.0 503\r\n\r\nab", 503, "ab", false);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_read(
            &format!("{chunked}2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n"),
            200,
            "abc",
            true,
        );
        assert_read(&format!("{chunked}2\r\nab\r\nff\r\nc"), 200, "abc", false);
        assert_read(&format!("{chunked}ffffffffffffffff\r\nc"), 200, "c", false);
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n";
        assert_read(interim, 204, "", true);
    }

    #[test]
    fn bytes_that_are_not_http_are_another_protocol() {
        for other in [
            "+PONG",
            "HTTP/2",
            "HTTP/1.1 two\r\n",
            "HTTP/1.1\r\n",
            "HTTP/1.1 99 x\r\n",
        ] {
            assert_eq!(read(other.as_bytes()), Answer::Other, "{other}");
        }
        for part in [
            "",
            "HTTP",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n\r",
        ] {
            assert_eq!(read(part.as_bytes()), Answer::More, "{part}");
        }
    }
}
