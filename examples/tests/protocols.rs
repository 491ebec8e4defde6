//! Readiness checks in the protocol of each server, with the real servers.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mirakuru::readiness::{Etcd, Memcached, Mqtt, Mysql, Nats, Postgres, Readiness, Redis};
use mirakuru::{Context, ErrorKind, Executor, Result};

/// Sends a request to a ready server, and returns the first `length` bytes of the answer.
fn answer<R: Readiness>(server: &Executor<R>, request: &[u8], length: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.addr()).expect("the server accepts clients");
    stream.write_all(request).expect("the server reads");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).expect("the server answers");
    answer
}

/// Returns the error text of a server that never becomes ready.
#[track_caller]
fn timeout_of<R: Readiness>(server: Executor<R>) -> String {
    let server = server.timeout(Duration::from_secs(2));
    let error = server.start().expect_err("the server is never ready");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
    error.to_string()
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn redis_answers_ping() -> Result<()> {
    for password in ["''", "secret"] {
        let command = format!("redis-server --port {{port}} --save '' --requirepass {password}");
        let redis = Executor::with_readiness(command, Redis::new("127.0.0.1", 0)).started()?;
        let expected = if password == "secret" {
            "-NOAUTH"
        } else {
            "+PONG\r\n"
        };
        let answer = answer(&redis, b"PING\r\n", 7);
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
    Ok(())
}

/// A replica that serves no stale data answers `-MASTERDOWN` to all but a few commands until it has its master's data.
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn a_redis_that_cannot_serve_is_not_ready() {
    let command = "redis-server --port {port} --save '' --replicaof 127.0.0.1 1 --replica-serve-stale-data no";
    let redis = Executor::with_readiness(command, Redis::new("127.0.0.1", 0));
    let error = timeout_of(redis);
    let shown = "last check:  it answered: MASTERDOWN Link with MASTER is down";
    assert!(error.contains(shown), "{error}");
}

#[test]
#[cfg_attr(
    not(has_memcached),
    ignore = "memcached is not in PATH: apt-get install memcached"
)]
fn memcached_answers_version() -> Result<()> {
    let command = "memcached -l {host} -p {port} -U 0";
    let memcached = Executor::with_readiness(command, Memcached::new("127.0.0.1", 0));
    let memcached = memcached.user_if_root("nobody").started()?;
    assert_eq!(answer(&memcached, b"version\r\n", 8), b"VERSION ");
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn nats_answers_ping() -> Result<()> {
    for arguments in ["", "-js -sd {tmpdir}/jetstream", "--user a --pass secret"] {
        let command = format!("nats-server -a {{host}} -p {{port}} {arguments}");
        let mut check = Nats::new("127.0.0.1", 0);
        if arguments.starts_with("-js") {
            check = check.jet_stream();
        }
        let nats = Executor::with_readiness(command, check).started()?;
        assert_eq!(answer(&nats, b"", 5), b"INFO ");
    }
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn nats_without_jetstream_is_not_ready() {
    let check = Nats::new("127.0.0.1", 0).jet_stream();
    let nats = Executor::with_readiness("nats-server -a {host} -p {port}", check);
    let error = timeout_of(nats);
    let shown = "last check:  it answered, but JetStream is not enabled";
    assert!(error.contains(shown), "{error}");
}

#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn etcd_reports_that_it_is_healthy() -> Result<()> {
    let command = "etcd --data-dir {tmpdir}/data --listen-peer-urls http://{host}:{port:peer}
        --listen-client-urls http://{host}:{port} --advertise-client-urls http://{host}:{port}";
    let etcd = Executor::with_readiness(command, Etcd::new("127.0.0.1", 0)).started()?;
    let request = b"GET /health HTTP/1.0\r\n\r\n";
    assert_eq!(answer(&etcd, request, 15), b"HTTP/1.0 200 OK");
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_mosquitto),
    ignore = "mosquitto is not in PATH: apt-get install mosquitto"
)]
fn the_check_of_mosquitto_disconnects_in_order() -> Result<()> {
    let check = Mqtt::new("127.0.0.1", 0);
    let mosquitto = Executor::with_readiness("mosquitto -v -p {port}", check).started()?;
    mosquitto
        .err_output()
        .wait_for("mirakuru[0-9a-f]{15} disconnected")?;
    Ok(())
}

/// Returns a server with a new data directory, which `preparation` has changed.
fn configured<R: Readiness>(
    preparation: &str,
    executor: impl FnOnce(String) -> Executor<R>,
) -> Executor<R> {
    let command = format!(
        "PATH='{}':$PATH; initdb --no-sync --auth-host=$AUTH --username=postgres --locale=C {{tmpdir}}/data >/dev/null &&
            {preparation} exec postgres -D {{tmpdir}}/data -F -h {{host}} -p {{port}} -k {{tmpdir}} -c log_connections=on",
        env!("POSTGRES_BIN")
    );
    let postgres = executor(command).shell(true).cwd("/");
    postgres.user_if_root("postgres").env("AUTH", "trust")
}

fn postgres(check: Postgres) -> Executor<Postgres> {
    configured("", |command| Executor::with_readiness(command, check))
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn the_check_of_postgres_disconnects_in_order() -> Result<()> {
    let check = || Postgres::new("127.0.0.1", 0);
    let server = postgres(check())
        .also(check().user("unknown"))
        .also(check().database("unknown"))
        .started()?;
    server.stop()?;
    let log = server.err_output().text();
    let authorized = "connection authorized: user=postgres";
    assert!(log.contains(authorized), "{log}");
    assert_in_order(&log);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn postgres_that_asks_for_a_password_is_ready() -> Result<()> {
    let server = postgres(Postgres::new("127.0.0.1", 0)).env("AUTH", "scram-sha-256");
    let server = server.started()?;
    server.stop()?;
    assert_in_order(&server.err_output().text());
    Ok(())
}

#[track_caller]
fn assert_in_order(log: &str) {
    let complaints = ["expected", "reset", "invalid", "EOF"];
    let complaint = complaints.iter().find(|word| log.contains(**word));
    assert_eq!(complaint, None, "{log}");
}

/// A standby that serves no readers accepts each client, and answers that it is in recovery.
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn postgres_in_recovery_is_not_ready() -> Result<()> {
    let standby = "touch {tmpdir}/data/standby.signal && echo hot_standby=off >>{tmpdir}/data/postgresql.conf &&";
    let check = Postgres::new("127.0.0.1", 0);
    let refusals = AtomicU32::new(0);
    let is_refused_thrice = move |cx: &Context| {
        let refusal = check
            .after_start_check(cx)
            .expect_err("a standby serves no client")
            .to_string();
        let is_recovery = refusal.contains("(SQLSTATE 57P03)");
        is_recovery && refusals.fetch_add(1, Ordering::Relaxed) == 2
    };
    let executor = |command| Executor::when(command, is_refused_thrice);
    configured(standby, executor).start().map(drop)
}

#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn mariadb_greets_a_client() -> std::result::Result<(), Box<dyn Error>> {
    let command = "mariadb-install-db --no-defaults --datadir={tmpdir}/data --skip-test-db >/dev/null && \
        exec mariadbd --no-defaults --datadir={tmpdir}/data --bind-address={host} --port={port} \
            --socket={tmpdir}/socket";
    let mariadb = Executor::with_readiness(command, Mysql::new("127.0.0.1", 0)).shell(true);
    let mariadb = mariadb
        .user_if_root("mysql")
        .env("HOME", "{tmpdir}")
        .started()?;
    assert_eq!(answer(&mariadb, b"", 5)[4], 10);
    Ok(())
}
