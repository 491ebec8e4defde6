//! One server for the run. Each test has a database of its own, which is a copy of the prepared one.

use mirakuru::Shared;
use mirakuru::services::{self, PostgresExecutor};
use postgres::{Client, NoTls};

pub(crate) static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("postgres", || {
    services::postgres().prepared(|url| Ok(Client::connect(url, NoTls)?.batch_execute(SCHEMA)?))
});

/// The content of every database at first. Migrations would create it in an application.
pub(crate) const SCHEMA: &str = "CREATE TABLE guests (name text PRIMARY KEY);
    INSERT INTO guests VALUES ('Aoi');";
