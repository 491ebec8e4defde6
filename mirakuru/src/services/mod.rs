//! Ready-made servers. Each function returns an executor that finds the installed program, uses free ports and the
//! private directory, and waits for an answer in the server's protocol. The executor has all the usual options.
//!
//! Windows does not have this module. Start a server by its command there, with a check such as
//! [`readiness::Postgres`](crate::readiness::Postgres).
//!
//! The examples of this module are compiled and not run, because a machine may lack the server.
//!
//! | function | server | [`url()`](crate::Executor::url) | databases |
//! |---|---|---|---|
//! | [`postgres`] | PostgreSQL | `postgres://postgres@127.0.0.1:PORT/postgres` | [`database()`](crate::Executor::database) |
//! | [`mariadb`] | MariaDB, MySQL | `mysql://root@127.0.0.1:PORT/mysql` | [`database()`](crate::Executor::database) |
//! | [`redis`] | Redis, Valkey, KeyDB | `redis://127.0.0.1:PORT` | [`database()`](RedisExecutor::database) |
//! | [`memcached`] | memcached | `memcache://127.0.0.1:PORT` | |
//! | [`nats`] | NATS with JetStream | `nats://127.0.0.1:PORT` | |
//! | [`etcd`] | etcd | `http://127.0.0.1:PORT` | |
//! | [`mosquitto`] | Mosquitto | `mqtt://127.0.0.1:PORT` | |
//! | [`rabbitmq`] | RabbitMQ | `amqp://guest:guest@127.0.0.1:PORT` | |
//! | [`webdriver`] | chromedriver, geckodriver | `http://127.0.0.1:PORT` | |
//!
//! ```no_run
//! use mirakuru::services::{self, PostgresExecutor};
//! use mirakuru::Shared;
//!
//! static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("postgres", services::postgres);
//!
//! # fn main() -> mirakuru::Result<()> {
//! let database = POSTGRES.get()?.database()?; // One server for the run, and a database for each test.
//! println!("{}", database.url());
//! # Ok(())
//! # }
//! ```
//!
//! # Programs
//!
//! A service uses the first program that it finds in `PATH` and in the directories where packages put it.
//! [`version`](crate::Executor::version) and [`program`](crate::Executor::program) select another one. If the program
//! is missing, the start fails with [`ErrorKind::Spawn`](crate::ErrorKind::Spawn), and the error names the packages.
//!
//! # The cache
//!
//! PostgreSQL and MariaDB need a long time to create their first files. The first start on a machine creates them once
//! for each program and its options, in the user's directory of caches (`$XDG_CACHE_HOME/mirakuru`, by default
//! `~/.cache/mirakuru`; on macOS `~/Library/Caches/mirakuru`). Each server gets a copy. `MIRAKURU_CACHE` names another
//! directory, and `MIRAKURU_CACHE=off` disables the cache. If the cache cannot be used, one line on standard error
//! states the reason, and each start creates its own files.

mod cache;
mod connection;
mod data_directory;
mod database;
mod databases;
mod etcd;
mod kind;
mod mariadb;
mod memcached;
mod mosquitto;
mod nats;
mod postgres;
mod program;
mod rabbitmq;
mod redis;
mod web_driver;

pub use database::Database;
pub use etcd::{Etcd, EtcdExecutor, etcd};
pub use kind::Service;
pub use mariadb::{Mariadb, MariadbExecutor, mariadb};
pub use memcached::{Memcached, MemcachedExecutor, memcached};
pub use mosquitto::{Mosquitto, MosquittoExecutor, mosquitto};
pub use nats::{Nats, NatsExecutor, nats};
pub use postgres::{Postgres, PostgresExecutor, postgres};
pub use rabbitmq::{Rabbitmq, RabbitmqExecutor, rabbitmq};
pub use redis::{Redis, RedisExecutor, redis};
pub use web_driver::{Webdriver, WebdriverExecutor, webdriver};

use crate::sys;

/// Returns the first of these users that exists. Otherwise returns `nobody`, which exists on most systems.
fn user_of(names: &[&'static str]) -> &'static str {
    // Only root can start a program as another user.
    let mut names = names.iter().filter(|_| sys::is_root());
    let found = names.find(|name| sys::user_of(name).is_some());
    found.copied().unwrap_or("nobody")
}
