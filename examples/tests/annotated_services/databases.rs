//! Annotated tests with a database each, on a server of their own or on a server of the run.

use std::collections::BTreeSet;
use std::error::Error;
use std::panic::catch_unwind;
use std::sync::Mutex;

use mirakuru::services::{self, Database, MariadbExecutor, PostgresExecutor, RedisExecutor};
use mirakuru::{Shared, with_process};
use postgres::{Client, NoTls};
use redis::Commands;
use rstest::rstest;

static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("annotated-postgres", || {
    services::postgres().prepared(|url| {
        let mut client = Client::connect(url, NoTls)?;
        client.batch_execute("CREATE TABLE visits (id int PRIMARY KEY)")?;
        Ok(())
    })
});

static REDIS: Shared<RedisExecutor> = Shared::new(services::redis);

/// Fails if another test has used this database.
fn visit(database: &Database) -> Result<(), postgres::Error> {
    let mut client = Client::connect(&database.url(), NoTls)?;
    client.batch_execute("INSERT INTO visits VALUES (1)")
}

fn has(server: &PostgresExecutor, name: &str) -> bool {
    let mut client = Client::connect(&server.url(), NoTls).expect("the server runs");
    let query = "SELECT 1 FROM pg_database WHERE datname = $1";
    !client
        .query(query, &[&name])
        .expect("the server answers")
        .is_empty()
}

macro_rules! visits {
    ($($name:ident($($option:tt)*);)*) => {$(
        #[with_process(shared = POSTGRES, database = true $($option)*)]
        #[test]
        #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed: apt-get install postgresql")]
        fn $name(server: &PostgresExecutor, db: &Database) -> Result<(), postgres::Error> {
            assert_ne!(server.url(), db.url());
            assert!(has(server, db.name()));
            visit(db)
        }
    )*};
}

visits! {
    a_test_has_a_database_of_its_own();
    another_test_has_another_database();
    a_test_with_a_lock_has_a_database(, lock = true);
    a_test_with_a_bound_server_has_a_database(, bind = pg);
}

#[with_process(shared = POSTGRES, database = true)]
#[tokio::test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
async fn an_async_test_has_a_database(db: &Database) {
    let url = db.url();
    let visited = tokio::task::spawn_blocking(move || {
        Client::connect(&url, NoTls)?.batch_execute("INSERT INTO visits VALUES (1)")
    });
    visited
        .await
        .expect("the task ends")
        .expect("the database is empty");
}

#[with_process(shared = POSTGRES, database = true)]
#[rstest]
#[case(1)]
#[case(2)]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn each_case_has_a_database(db: &Database, #[case] id: i32) -> Result<(), postgres::Error> {
    assert!(id > 0);
    visit(db)
}

/// The name of the database of the test that panics.
static LAST: Mutex<Option<String>> = Mutex::new(None);

#[with_process(shared = POSTGRES, database = true)]
#[tokio::main]
async fn panics(db: &Database) {
    *LAST.lock().unwrap() = Some(db.name().to_owned());
    panic!("on purpose");
}

#[with_process(shared = POSTGRES)]
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn a_panic_drops_the_database(server: &PostgresExecutor) {
    let panic = catch_unwind(panics).expect_err("the body panics");
    assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    let name = LAST.lock().unwrap().take().expect("the test ran");
    assert!(!has(server, &name));
}

#[with_process(postgres, database = true, bind = pg)]
#[with_process(redis, database = true, together = true)]
#[with_process(mariadb, database = true)]
#[test]
#[cfg_attr(
    not(all(has_postgres, has_redis, has_mariadb)),
    ignore = "PostgreSQL, Redis or MariaDB is not installed"
)]
fn databases_are_in_the_order_of_their_servers(
    sql: &Database,
    pg: &PostgresExecutor,
    cache: &services::Database,
    redis: &RedisExecutor,
    mariadb: &MariadbExecutor,
    other: &mirakuru::services::Database,
) {
    let ports = [pg.port(), redis.port(), mariadb.port()];
    for ((database, scheme), port) in [(sql, "postgres"), (cache, "redis"), (other, "mysql")]
        .into_iter()
        .zip(ports)
    {
        let url = database.url();
        assert!(url.starts_with(scheme), "{url}");
        assert!(
            url.contains(&format!(":{port}/{}", database.name())),
            "{url}"
        );
    }
}

static PORT: Mutex<Option<u16>> = Mutex::new(None);

#[with_process(executor = services::redis(), database = true)]
#[tokio::main]
async fn panics_with_a_server_of_its_own(redis: &RedisExecutor, db: &Database) {
    assert!(db.url().starts_with(&redis.url()));
    *PORT.lock().unwrap() = Some(redis.port());
    panic!("on purpose");
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn the_server_stops_after_a_panic() {
    catch_unwind(panics_with_a_server_of_its_own).expect_err("the body panics");
    let port = PORT.lock().unwrap().take().expect("the test ran");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// The server has only database 0, which is never reserved.
#[with_process(redis, config = { databases = 1 }, database = true)]
#[tokio::main]
async fn finds_no_number(_db: &Database) {
    unreachable!("the test has no database, so its body never runs");
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn a_refused_database_fails_the_test_with_its_error() {
    let panic = catch_unwind(finds_no_number).expect_err("no database is left");
    let error = panic.downcast_ref::<String>().expect("an error");
    assert!(error.contains("redis-server"), "{error}");
    assert!(error.contains("database"), "{error}");
}

#[with_process(shared = REDIS, database = true)]
#[with_process(shared = REDIS, database = true)]
#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn two_databases_of_one_server_differ(
    first: &Database,
    second: &Database,
) -> Result<(), Box<dyn Error>> {
    let names: BTreeSet<_> = [first, second].iter().map(|one| one.name()).collect();
    assert_eq!(names.len(), 2);
    let mut clients = Vec::new();
    for database in [first, second] {
        let mut client = redis::Client::open(database.url())?.get_connection()?;
        assert_eq!(client.incr::<_, _, i32>("visits", 1)?, 1);
        clients.push(client);
    }
    Ok(())
}
