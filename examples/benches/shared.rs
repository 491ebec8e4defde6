//! Measures the time that a shared server saves: `cargo bench -p mirakuru-examples`.
//!
//! The program prints a Markdown table. It compares tests that start a server each with tests that share a server and
//! have a database each. The tests run one after the other in one process.

#[path = "../tests/postgres/database.rs"]
mod database;

use std::error::Error;
use std::time::{Duration, Instant};

use mirakuru::Shared;
use mirakuru::services::{self, RedisExecutor};
use postgres::{Client, NoTls};
use redis::{Client as RedisClient, Commands};

const TESTS: u32 = 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

static REDIS: Shared<RedisExecutor> = Shared::new(services::redis);

fn main() -> Outcome<()> {
    println!(
        "| {TESTS} tests | a server each | one shared server, a database each | times faster |"
    );
    println!("|---|---|---|---|");
    if cfg!(has_redis) {
        row("Redis", redis_each, redis_shared)?;
    }
    if cfg!(has_postgres) {
        row("PostgreSQL", postgres_each, postgres_shared)?;
    }
    Ok(())
}

/// Prints a row of the table. The time of the shared server includes its start.
fn row(name: &str, each: fn() -> Outcome<()>, shared: fn() -> Outcome<()>) -> Outcome<()> {
    let (each, shared) = (time(each)?, time(shared)?);
    let (each, shared) = (each.as_secs_f64(), shared.as_secs_f64());
    println!(
        "| {name} | {each:.2} s | {shared:.3} s | {:.1} |",
        each / shared
    );
    Ok(())
}

fn time(test: fn() -> Outcome<()>) -> Outcome<Duration> {
    let begun = Instant::now();
    (0..TESTS).try_for_each(|_| test())?;
    Ok(begun.elapsed())
}

fn counts(url: &str) -> Outcome<()> {
    let mut database = RedisClient::open(url)?.get_connection()?;
    assert_eq!(database.incr::<_, _, i32>("visits", 1)?, 1);
    Ok(())
}

fn redis_each() -> Outcome<()> {
    let redis = services::redis().started()?;
    counts(&redis.url())?;
    redis.stop()?;
    Ok(())
}

fn redis_shared() -> Outcome<()> {
    counts(&REDIS.get()?.database()?.url())
}

fn has_guests(client: &mut Client) -> Outcome<()> {
    let row = client.query_one("SELECT count(*) FROM guests", &[])?;
    assert_eq!(row.get::<_, i64>(0), 1);
    Ok(())
}

fn postgres_each() -> Outcome<()> {
    let postgres = services::postgres().started()?;
    let mut client = Client::connect(&postgres.url(), NoTls)?;
    client.batch_execute(database::SCHEMA)?;
    has_guests(&mut client)?;
    postgres.stop()?;
    Ok(())
}

fn postgres_shared() -> Outcome<()> {
    let database = database::POSTGRES.get()?.database()?;
    has_guests(&mut Client::connect(&database.url(), NoTls)?)
}
