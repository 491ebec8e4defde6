//! The checks in the protocols of servers: which answers count as ready, and which do not. The real servers are among
//! the examples.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use mirakuru::{
    Context, ErrorKind, Executor, NotReady, Readiness,
    readiness::{Amqp, Etcd, Memcached, Mqtt, Mysql, Nats, Postgres, Redis, WebDriver},
};
use mirakuru_tests::error_text::error_of;
use nix::sys::{
    pthread::{Pthread, pthread_kill, pthread_self},
    signal::Signal,
};

use crate::PROGRAM;

const HOST: &str = "127.0.0.1";

/// Returns a server that sends these answers, each to one client.
fn answering<R: Readiness>(answers: &[&[u8]], check: R) -> Executor<R> {
    let encoded = |answer: &&[u8]| -> String {
        let byte = |byte: &u8| format!("%{byte:02x}");
        answer.iter().map(byte).collect()
    };
    let command = [PROGRAM, "says_in_turn", "{port}"].map(str::to_owned);
    let command = command.into_iter().chain(answers.iter().map(encoded));
    Executor::with_readiness(command.collect::<Vec<_>>(), check)
}

/// Asserts that the first answer means "not ready" and is in the error, and that the second one means "ready".
#[track_caller]
fn assert_waits<R: Readiness + Clone>(check: R, not_yet: &[u8], shown: &str, ready: &[u8]) {
    let server = answering(&[not_yet, not_yet, ready], check.clone()).started();
    let server = server.expect("the third answer is readiness");
    assert_eq!(server.output().text(), "client\nclient\nclient\n");

    let server = answering(&[not_yet], check).timeout(Duration::from_secs(2));
    let error = error_of(server.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let last_check = format!("last check:  {shown}");
    assert!(error.to_string().contains(&last_check), "{error}");
}

#[test]
fn a_postgres_that_starts_up_is_not_ready() {
    let starting = b"E\0\0\0\x2eSFATAL\0C57P03\0Mthe database is starting\0\0\0\0";
    let shown = "it answered: the database is starting (SQLSTATE 57P03)";
    let ready = b"R\0\0\0\x08\0\0\0\0";
    assert_waits(Postgres::new(HOST, 0), starting, shown, ready);
}

#[test]
fn a_mysql_with_too_many_clients_is_not_ready() {
    let full = b"\x17\0\0\0\xff\x10\x04Too many connections";
    let shown = "it answered: Too many connections (error 1040)";
    let ready = b"\x11\0\0\0\x0a8.4.3-xy\0\x05\0\0\0abc";
    assert_waits(Mysql::new(HOST, 0), full, shown, ready);
}

#[test]
fn a_redis_that_loads_its_data_is_not_ready() {
    let loading = b"-LOADING Redis is loading the dataset in memory\r\n";
    let shown = "it answered: LOADING Redis is loading the dataset in memory";
    assert_waits(Redis::new(HOST, 0), loading, shown, b"+PONG\r\n");
}

#[test]
fn a_memcached_with_too_many_clients_is_not_ready() {
    let full = b"ERROR Too many open connections\r\n";
    let shown = "it answered: ERROR Too many open connections";
    assert_waits(Memcached::new(HOST, 0), full, shown, b"VERSION 1.6.38\r\n");
}

#[test]
fn a_nats_without_jetstream_is_not_ready_for_it() {
    let without = b"INFO {\"headers\":true}\r\nPONG\r\n";
    let shown = "it answered, but JetStream is not enabled";
    let ready = b"INFO {\"jetstream\":true}\r\nPONG\r\n";
    let check = Nats::new(HOST, 0).jet_stream();
    assert_waits(check, without, shown, ready);
}

#[test]
fn a_nats_that_refuses_clients_is_not_ready() {
    let full = b"INFO {}\r\n-ERR 'maximum connections exceeded'\r\n";
    let shown = "it answered: 'maximum connections exceeded'";
    let ready = b"INFO {\"tls_required\":true}\r\n";
    assert_waits(Nats::new(HOST, 0), full, shown, ready);
}

#[test]
fn an_etcd_without_a_leader_is_not_ready() {
    let without = b"HTTP/1.1 503 x\r\nContent-Length: 18\r\n\r\n{\"health\":\"false\"}";
    let shown = "it answered with status 503: {\"health\":\"false\"}";
    let ready = b"HTTP/1.1 200 OK\r\n\r\n{\"health\":\"true\"}";
    assert_waits(Etcd::new(HOST, 0), without, shown, ready);
}

#[test]
fn an_mqtt_broker_that_is_unavailable_is_not_ready() {
    let shown = "it answered: the server is unavailable (code 3)";
    let ready = b"\x20\x02\0\x05";
    assert_waits(Mqtt::new(HOST, 0), b"\x20\x02\0\x03", shown, ready);
}

#[test]
fn a_broker_of_another_amqp_version_is_not_ready() {
    let shown = "it uses AMQP 1.0.0 instead of 0-9-1";
    let ready = b"\x01\0\0\0\0\0\x10\0\x0a\0\x0a\0\x09";
    assert_waits(Amqp::new(HOST, 0), b"AMQP\0\x01\0\0", shown, ready);
}

#[test]
fn a_web_driver_that_is_busy_is_not_ready() {
    let busy = b"HTTP/1.1 200 OK\r\n\r\n{\"value\":{\"ready\":false}}";
    let shown = "it answered with status 200: {\"value\":{\"ready\":false";
    let ready = b"HTTP/1.1 200 OK\r\n\r\n{\"value\":{\"ready\": true}}";
    assert_waits(WebDriver::new(HOST, 0), busy, shown, ready);
}

#[test]
fn another_protocol_is_never_ready() {
    let server = answering(&[b"220 mail\r\n"], Redis::new(HOST, 0));
    let error = error_of(server.timeout(Duration::from_secs(2)).start());
    let text = error.to_string();
    assert!(text.contains(&format!("waited for:  {HOST}:")), "{text}");
    assert!(text.contains(" to answer as Redis\n"), "{text}");
    let last_check = "last check:  it answered, but not as Redis: \"220 mail\"\n";
    assert!(text.contains(last_check), "{text}");
}

#[test]
fn a_server_that_never_answers_is_reported() {
    let server = answering(&[b""], Memcached::new(HOST, 0));
    let error = error_of(server.timeout(Duration::from_secs(2)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(
        error.to_string().contains(" did not answer in time\n"),
        "{error}"
    );
}

/// Sends signals to its thread as long as another check runs there.
struct Interrupted(Memcached);

impl Readiness for Interrupted {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number or a pointer, no longer than a usize"
    )]
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        // The handle is a number in one C library, and a pointer in another.
        let (own, ended) = (pthread_self() as usize, AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    pthread_kill(own as Pthread, Signal::SIGUSR1).expect("the thread waits");
                    thread::yield_now();
                }
            });
            let answer = self.0.after_start_check(cx);
            ended.store(true, Ordering::Relaxed);
            answer
        })
    }
}

#[test]
fn a_signal_does_not_end_the_wait_for_an_answer() {
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::default()).expect("a handler");
    let server = answering(&[b""], Interrupted(Memcached::new(HOST, 0)));
    let error = error_of(server.timeout(Duration::from_secs(2)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    assert!(text.contains(" did not answer in time\n"), "{text}");
}

#[test]
fn an_empty_host_is_invalid() {
    let server = answering(&[b""], Redis::new("", 0));
    assert_eq!(error_of(server.start()).kind(), ErrorKind::InvalidConfig);
}
