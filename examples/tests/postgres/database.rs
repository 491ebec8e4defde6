//! One server for the run, and for each test a database of its own: a copy of what `prepared` made.

use mirakuru::Shared;
use mirakuru::services::{self, PostgresExecutor};
use postgres::{Client, NoTls};

pub(crate) static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("postgres", || {
    services::postgres().prepared(|url| Ok(Client::connect(url, NoTls)?.batch_execute(SCHEMA)?))
});

/// What every database begins with: what migrations make, elsewhere.
pub(crate) const SCHEMA: &str = "CREATE TABLE guests (name text PRIMARY KEY);
    INSERT INTO guests VALUES ('Aoi');";
