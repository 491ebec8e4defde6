//! Tests of the backend, with one PostgreSQL server and one Redis server for the run. Each test has databases of its
//! own in both, with the migrations applied.

use std::error::Error;

use mirakuru::services::{self, Database, PostgresExecutor, RedisExecutor};
use mirakuru::{HttpExecutor, Shared};
use reqwest::{Client, StatusCode};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use web_backend::{Backend, MIGRATIONS};

static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("backend-postgres", || {
    services::postgres().prepared(migrate)
});
static REDIS: Shared<RedisExecutor> = Shared::per_run("backend-redis", services::redis);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Applies the migrations, once per server. Each database of a test is then a copy of the result.
fn migrate(url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(async {
        let mut database = PgConnection::connect(url).await?;
        MIGRATIONS.run(&mut database).await?;
        Ok(())
    })
}

/// Serves the routes within the test's process, and returns their URL.
async fn served(guests: &Database, visits: &Database) -> Outcome<String> {
    let backend = Backend::connect(&guests.url(), &visits.url()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, backend.router()).await });
    Ok(url)
}

/// Returns an executor for the program itself, which finds the servers in its environment.
fn program(guests: &Database, visits: &Database) -> HttpExecutor {
    let command = [env!("CARGO_BIN_EXE_web-backend"), "{port}"];
    HttpExecutor::new(command, "http://127.0.0.1:{port}/health")
        .env("DATABASE_URL", guests.url())
        .env("REDIS_URL", visits.url())
}

async fn welcome(url: &str, name: &'static str) -> Outcome<StatusCode> {
    let request = Client::new().post(format!("{url}/guests")).body(name);
    Ok(request.send().await?.status())
}

async fn guests(url: &str) -> Outcome<String> {
    let answer = reqwest::get(format!("{url}/guests")).await?;
    Ok(answer.error_for_status()?.text().await?)
}

async fn visit(url: &str) -> Outcome<String> {
    let request = Client::new().post(format!("{url}/visits"));
    Ok(request.send().await?.error_for_status()?.text().await?)
}

#[tokio::test]
#[cfg_attr(
    not(all(has_postgres, has_redis)),
    ignore = "a server is not installed: apt-get install postgresql redis-server"
)]
async fn a_guest_is_welcomed_once() -> Outcome {
    let (database, cache) = (POSTGRES.get()?.database()?, REDIS.get()?.database()?);
    let url = served(&database, &cache).await?;
    assert_eq!(welcome(&url, "Aoi").await?, StatusCode::CREATED);
    assert_eq!(welcome(&url, "Aoi").await?, StatusCode::CONFLICT);
    assert_eq!(guests(&url).await?, r#"["Aoi"]"#);
    Ok(())
}

#[tokio::test]
#[cfg_attr(
    not(all(has_postgres, has_redis)),
    ignore = "a server is not installed: apt-get install postgresql redis-server"
)]
async fn guests_are_listed_by_name() -> Outcome {
    let (database, cache) = (POSTGRES.get()?.database()?, REDIS.get()?.database()?);
    let url = served(&database, &cache).await?;
    for name in ["Mio", "Aoi"] {
        assert_eq!(welcome(&url, name).await?, StatusCode::CREATED);
    }
    assert_eq!(guests(&url).await?, r#"["Aoi","Mio"]"#);
    Ok(())
}

#[tokio::test]
#[cfg_attr(
    not(all(has_postgres, has_redis)),
    ignore = "a server is not installed: apt-get install postgresql redis-server"
)]
async fn visits_are_counted_from_one() -> Outcome {
    let (database, cache) = (POSTGRES.get()?.database()?, REDIS.get()?.database()?);
    let url = served(&database, &cache).await?;
    for number in ["1", "2", "3"] {
        assert_eq!(visit(&url).await?, number);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(all(has_postgres, has_redis)),
    ignore = "a server is not installed: apt-get install postgresql redis-server"
)]
async fn the_program_keeps_its_guests_over_a_restart() -> Outcome {
    let (database, cache) = (POSTGRES.get()?.database()?, REDIS.get()?.database()?);
    let backend = program(&database, &cache).started()?;
    let url = format!("http://{}", backend.addr());
    assert_eq!(guests(&url).await?, "[]");
    assert_eq!(welcome(&url, "Aoi").await?, StatusCode::CREATED);
    assert_eq!(visit(&url).await?, "1");
    backend.restart()?;
    assert_eq!(guests(&url).await?, r#"["Aoi"]"#);
    assert_eq!(visit(&url).await?, "2");
    Ok(())
}
