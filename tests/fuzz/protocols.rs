//! Fuzz target for the checks of server protocols, with valid, mutated and random answers. A check must not panic, and
//! its verdict must not depend on the parts in which an answer arrives.

use super::*;
use crate::mutate::mutate;
use crate::rounds::{Rng, one, rounds};

/// A function that judges an answer, and valid answers for it.
type Target = (fn(&[u8]) -> Verdict, &'static [&'static [u8]]);

const TARGETS: [Target; 11] = [
    (
        postgres::judge,
        &[
            b"R\0\0\0\x08\0\0\0\0S\0\0\0\x04",
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
            b"E\0\0\0\x20SFATAL\0C57P03\0Mstarting up\0\0",
            b"N\0\0\0\x08Mx\0\0E\0\0\0\x17SFATAL\0C3D000\0Mno\0\0",
        ],
    ),
    (
        mysql::judge,
        &[
            b"\x11\0\0\0\x0a11.8.3-xy\0\x05\0\0\0ab",
            b"\x17\0\0\0\xff\x10\x04Too many connections",
        ],
    ),
    (
        redis::judge,
        &[b"+PONG\r\n", b"-NOAUTH x\r\n", b"-LOADING Redis is loading\r\n"],
    ),
    (
        memcached::judge,
        &[b"VERSION 1.6.38\r\n", b"SERVER_ERROR out of memory\r\n"],
    ),
    (|bytes| nats::greeting(bytes, false), GREETINGS),
    (|bytes| nats::greeting(bytes, true), GREETINGS),
    (
        nats::answer,
        &[
            b"INFO {\"jetstream\":true}\r\nPING\r\n+OK\r\nPONG\r\n",
            b"INFO {}\r\n-ERR 'Authorization Violation'\r\n",
        ],
    ),
    (
        etcd::judge,
        &[
            b"HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}",
            b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 503 x\r\n\r\n{\"health\":\"false\"}",
        ],
    ),
    (
        web_driver::judge,
        &[
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{\"value\": {\"ready\"\r\n9\r\n : true }\r\n1\r\n}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length:40\r\n\r\n{\"value\":{\"a\":[{}],\"ready\":false}}     ",
        ],
    ),
    (mqtt::judge, &[b"\x20\x02\0\0", b"\x20\x03\0\x84\0"]),
    (
        amqp::judge,
        &[
            b"\x01\0\0\0\0\x01\xf4\0\x0a\0\x0a\0\x09\0\0\x01\xcf",
            b"AMQP\0\x01\0\0",
        ],
    ),
];

const GREETINGS: &[&[u8]] = &[
    b"INFO {\"server_id\":\"N\",\"jetstream\":true}\r\n",
    b"INFO {\"tls_required\" : true , \"x\":[1,{\"jetstream\":true}]}\r\nPING\r\n",
    b"-ERR 'maximum connections exceeded'\r\n",
];

fn answer(rng: &mut Rng, known: &[&[u8]]) -> Vec<u8> {
    let mut answer = one(rng, known).to_vec();
    match rng.u8(..8) {
        0 => rng.fill(&mut answer),
        // Repeats the end of the answer many times.
        1 => {
            let part = answer[rng.usize(..answer.len())..].to_vec();
            answer.extend(part.repeat(rng.usize(..200)));
        }
        2 => {}
        _ => mutate(rng, &mut answer),
    }
    answer
}

/// Returns whether the verdict `after` may follow `before` when more bytes arrive.
fn agree(before: &Verdict, after: &Verdict) -> bool {
    match before {
        Verdict::More => true,
        Verdict::Ready => *after == Verdict::Ready,
        // The text may show more of the answer.
        Verdict::NotYet(_) => matches!(after, Verdict::NotYet(_)),
    }
}

#[test]
fn known_answers_have_a_verdict() {
    for (judge, known) in TARGETS {
        for answer in known {
            assert_ne!(judge(answer), Verdict::More, "{}", answer.escape_ascii());
        }
    }
}

#[test]
fn answers_cause_no_panic_and_chunks_do_not_change_the_verdict() {
    rounds("protocols", |rng| {
        for (judge, known) in TARGETS {
            let answer = answer(rng, known);
            let (mut end, mut before) = (0, judge(b""));
            assert_eq!(before, Verdict::More);
            let most = [2, 9, 1000][rng.usize(..3)];
            while end < answer.len() {
                end = (end + rng.usize(1..most)).min(answer.len());
                let after = judge(&answer[..end]);
                let shown = answer[..end].escape_ascii();
                assert!(
                    agree(&before, &after),
                    "{before:?}, then {after:?}: {shown}"
                );
                if let Verdict::NotYet(why) = &after {
                    assert!(why.len() < 2000 && !why.contains('\n'), "{why}");
                }
                before = after;
            }
        }
    });
}
