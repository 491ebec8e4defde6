//! The check that is ready when etcd reports that it is healthy.

use super::http_answer;
use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
};

const SERVER: &str = "etcd";

/// Ready when etcd reports that it is healthy.
///
/// The check requests `GET /health` ([Monitoring](https://etcd.io/docs/v3.6/op-guide/monitoring/)). The member is ready
/// if the status is 200 and the body contains `"health":"true"`: it has a leader and can commit. For any other answer,
/// an error shows the status and the text as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::Etcd};
///
/// # fn main() -> mirakuru::Result<()> {
/// let server = "etcd --data-dir {tmpdir}/data --listen-peer-urls http://{host}:{port:peer}
///     --listen-client-urls http://{host}:{port} --advertise-client-urls http://{host}:{port}";
/// let server = Executor::with_readiness(server, Etcd::new("127.0.0.1", 0)).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Etcd {
    at: Endpoint,
}

is_a_check!(Etcd, |_, exchange| http_answer::get(
    exchange, "/health", judge
));

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    http_answer::judge(bytes, SERVER, &["health"], &[b"\"true\"", b"true"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    #[test]
    fn a_healthy_member_is_ready() {
        for body in [
            r#"{"health":"true","reason":""}"#,
            "{ \"reason\" : \"\", \"health\" : \"true\" }",
        ] {
            assert_eq!(judge(answer(200, body).as_bytes()), Verdict::Ready);
        }
    }

    #[test]
    fn the_reason_quotes_a_member_without_a_leader() {
        let body = r#"{"health":"false","reason":"RAFT NO LEADER"}"#;
        let why = format!("it answered with status 503: {body}");
        assert_eq!(judge(answer(503, body).as_bytes()), Verdict::NotYet(why));
        let why = "it answered with status 404: nothing".to_owned();
        assert_eq!(judge(answer(404, "").as_bytes()), Verdict::NotYet(why));
        for body in [
            r#"{"note":"\"health\":\"true\""}"#,
            r#"{"health":"true"#,
            "true",
        ] {
            assert!(
                matches!(judge(answer(200, body).as_bytes()), Verdict::NotYet(_)),
                "{body}"
            );
        }
    }

    #[test]
    fn an_incomplete_answer_decides_nothing() {
        let whole = answer(200, r#"{"reason":"","health":"true"}"#);
        for end in 0..whole.len() - 1 {
            assert_eq!(judge(&whole.as_bytes()[..end]), Verdict::More, "{end}");
        }
        assert!(matches!(judge(b"SSH-2.0\r\n"), Verdict::NotYet(_)));
    }
}
