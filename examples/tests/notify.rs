//! Servers that report readiness themselves, by `sd_notify(3)`. Debian builds them with this feature.

use std::net::TcpStream;

use mirakuru::{NotifyExecutor, Result, with_process};

#[track_caller]
fn assert_accepts(server: &NotifyExecutor) {
    let accepted = TcpStream::connect(server.addr());
    accepted.expect("a ready server accepts a client");
}

#[with_process(notify = "redis-server --supervised systemd --port {port} --save ''")]
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn redis_reports_readiness(redis: &NotifyExecutor) {
    assert_accepts(redis);
}

#[with_process(notify = "mosquitto -p {port}")]
#[test]
#[cfg_attr(
    not(has_mosquitto),
    ignore = "mosquitto is not in PATH: apt-get install mosquitto"
)]
fn mosquitto_reports_readiness(mosquitto: &NotifyExecutor) {
    assert_accepts(mosquitto);
}

#[with_process(
    notify = "etcd --data-dir {tmpdir}/data --listen-peer-urls http://{host}:{port:peer}
        --listen-client-urls http://{host}:{port} --advertise-client-urls http://{host}:{port}"
)]
#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn etcd_reports_readiness(etcd: &NotifyExecutor) {
    assert_accepts(etcd);
}

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn postgres_reports_readiness() -> Result<()> {
    let command = concat!(
        "PATH='",
        env!("POSTGRES_BIN"),
        "':$PATH; initdb --no-sync --auth=trust --username=postgres --locale=C {tmpdir}/data && ",
        "exec postgres -D {tmpdir}/data -F -h {host} -p {port} -k {tmpdir}",
    );
    let postgres = NotifyExecutor::new(command).shell(true).cwd("/");
    let postgres = postgres.user_if_root("postgres").started()?;
    assert_accepts(&postgres);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_mariadb),
    ignore = "mariadbd is not in PATH: apt-get install mariadb-server"
)]
fn mariadb_reports_readiness() -> Result<()> {
    let command = "mariadb-install-db --no-defaults --datadir={tmpdir}/data --skip-test-db >/dev/null && \
        exec mariadbd --no-defaults --datadir={tmpdir}/data --skip-grant-tables --skip-networking=0 \
        --bind-address={host} --port={port} --socket={tmpdir}/socket";
    let mariadb = NotifyExecutor::new(command)
        .shell(true)
        .user_if_root("mysql");
    let mariadb = mariadb.env("HOME", "{tmpdir}").started()?;
    assert_accepts(&mariadb);
    Ok(())
}
