//! One server for the run, and for each test a database of its own, copied from a template.

use std::error::Error;

use mirakuru::{OutputExecutor, Shared};
use postgres::{Client, NoTls};

use crate::server::server;

pub(crate) static POSTGRES: Shared<OutputExecutor> = Shared::per_run("postgres", server);

/// What every database begins with: what migrations make, elsewhere.
pub(crate) const SCHEMA: &str = "CREATE TABLE guests (name text PRIMARY KEY);
    INSERT INTO guests VALUES ('Aoi');";

fn connect(database: &str) -> Result<Client, Box<dyn Error>> {
    let (host, port) = (POSTGRES.host(), POSTGRES.port());
    let place = format!("host={host} port={port} user=postgres dbname={database}");
    Ok(Client::connect(&place, NoTls)?)
}

/// The template, made by whichever test comes first. It gets its name when it is complete, so one
/// that was killed half-way leaves none.
fn make_template(server: &mut Client) -> Result<(), Box<dyn Error>> {
    let _alone = POSTGRES.lock()?;
    let known = "SELECT 1 FROM pg_database WHERE datname = 'template'";
    if server.query_opt(known, &[])?.is_some() {
        return Ok(());
    }
    server.batch_execute("DROP DATABASE IF EXISTS unfinished WITH (FORCE)")?;
    server.batch_execute("CREATE DATABASE unfinished")?;
    connect("unfinished")?.batch_execute(SCHEMA)?;
    // Who copies it is not to meet the session that made it.
    server.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unfinished'",
    )?;
    server.batch_execute("ALTER DATABASE unfinished RENAME TO template")?;
    Ok(())
}

/// A database for this test alone: no other one that runs now has its slot.
pub(crate) fn own_database() -> Result<Client, Box<dyn Error>> {
    let mut server = connect("postgres")?;
    make_template(&mut server)?;
    let name = format!("test_{}", mirakuru::slot());
    server.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    server.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template"))?;
    connect(&name)
}
