//! Ready-made servers in the attribute. One word starts each server, and the options in the attribute reach the server.

mod databases;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use mirakuru::services::{
    EtcdExecutor, MariadbExecutor, MemcachedExecutor, MosquittoExecutor, NatsExecutor,
    PostgresExecutor, RabbitmqExecutor, RedisExecutor, WebdriverExecutor,
};
use mirakuru::{OutputExecutor, with_process};
use postgres::{Client, NoTls};
use redis::Commands;

/// Makes a test for each word. The server runs, and its URL has the form that clients accept.
macro_rules! words {
    ($($word:ident $cfg:ident $missing:literal $executor:ty, $scheme:literal;)*) => {$(
        #[with_process($word, timeout = "90s", bind = server)]
        #[with_process(output = "echo {server.port} {server.url}", banner = "\n?.+")]
        #[test]
        #[cfg_attr(not($cfg), ignore = $missing)]
        fn $word(server: &$executor, echo: &OutputExecutor) {
            assert!(server.running());
            assert!(server.url().starts_with($scheme), "{}", server.url());
            let seen = format!("{} {}", server.port(), server.url());
            assert_eq!(echo.output().text().trim_end(), seen);
            assert!(TcpStream::connect(server.addr()).is_ok());
        }
    )*};
}

mod a_word_starts {
    use super::*;

    words! {
        postgres has_postgres "PostgreSQL is not installed: apt-get install postgresql" PostgresExecutor, "postgres://";
        mariadb has_mariadb "mariadbd is not in PATH: apt-get install mariadb-server" MariadbExecutor, "mysql://";
        redis has_redis "redis-server is not in PATH: apt-get install redis-server" RedisExecutor, "redis://";
        memcached has_memcached "memcached is not in PATH: apt-get install memcached" MemcachedExecutor, "memcache://";
        nats has_nats "nats-server is not in PATH: apt-get install nats-server" NatsExecutor, "nats://";
        etcd has_etcd "etcd is not in PATH: apt-get install etcd-server" EtcdExecutor, "http://";
        mosquitto has_mosquitto "mosquitto is not in PATH: apt-get install mosquitto" MosquittoExecutor, "mqtt://";
        rabbitmq has_rabbitmq "rabbitmq-server is not installed: apt-get install rabbitmq-server" RabbitmqExecutor, "amqp://";
        webdriver has_webdriver "chromedriver is not in PATH: apt-get install chromium-driver" WebdriverExecutor, "http://";
    }
}

/// An option can be a number or a text. Further words of the command are options too.
#[with_process(redis, config = { maxclients = 77, "maxmemory-policy" = "allkeys-lru" }, args = ["--maxmemory", "3mb"])]
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn options_reach_redis(redis: &RedisExecutor) -> Result<(), Box<dyn Error>> {
    let mut client = redis::Client::open(redis.url())?.get_connection()?;
    for (key, value) in [
        ("maxclients", "77"),
        ("maxmemory-policy", "allkeys-lru"),
        ("maxmemory", "3145728"),
    ] {
        let shown: Vec<String> = redis::cmd("CONFIG").arg(&["GET", key]).query(&mut client)?;
        assert_eq!(shown, [key, value]);
    }
    Ok(())
}

#[with_process(postgres, config = { max_connections = 23, fsync = false, application_name = "{port}" })]
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn options_reach_postgres(pg: &PostgresExecutor) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect(&pg.url(), NoTls)?;
    let mut shown = |key: &str| -> Result<String, postgres::Error> {
        Ok(client.query_one(&format!("SHOW {key}"), &[])?.get(0))
    };
    assert_eq!(shown("max_connections")?, "23");
    assert_eq!(shown("fsync")?, "off");
    Ok(())
}

#[with_process(memcached, args = ["-c", "33"])]
#[test]
#[cfg_attr(
    not(has_memcached),
    ignore = "memcached is not in PATH: apt-get install memcached"
)]
fn words_reach_memcached(memcached: &MemcachedExecutor) -> Result<(), Box<dyn Error>> {
    let mut client = TcpStream::connect(memcached.addr())?;
    client.write_all(b"stats settings\r\nquit\r\n")?;
    let mut settings = String::new();
    client.read_to_string(&mut settings)?;
    assert!(settings.contains("STAT maxconns 33\r\n"), "{settings}");
    Ok(())
}

#[with_process(redis, program = "no-such-server-1")]
fn has_no_program() {}

#[with_process(redis, version = "999")]
fn has_no_version() {}

#[test]
fn the_error_names_a_missing_program_or_version() {
    for (starts, named) in [
        (has_no_program as fn(), "no-such-server-1"),
        (has_no_version, "999"),
    ] {
        let panic = std::panic::catch_unwind(starts).expect_err("the start fails");
        let error = panic.downcast_ref::<String>().expect("an error");
        assert!(error.contains(named), "{error}");
    }
}

/// Both servers start at the same time, with options that every process has.
#[with_process(redis, bind = first, name = "first", env = { A = "b" }, stop_timeout = "5s")]
#[with_process(redis, bind = second, together = true, args = ["--replicaof", "{first.host}", "{first.port}"])]
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn words_start_together(
    first: &RedisExecutor,
    second: &RedisExecutor,
) -> Result<(), Box<dyn Error>> {
    let mut leader = redis::Client::open(first.url())?.get_connection()?;
    let mut replica = redis::Client::open(second.url())?.get_connection()?;
    let _: () = leader.set("answer", 42)?;
    second.wait_for(|| {
        let found: Result<Option<i32>, _> = replica.get("answer");
        found.is_ok_and(|found| found == Some(42))
    })?;
    Ok(())
}
