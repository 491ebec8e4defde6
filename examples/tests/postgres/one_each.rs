//! Tests with a PostgreSQL server each.

use std::error::Error;

use mirakuru::{UnixSocketExecutor, services};
use postgres::{Client, NoTls};

use crate::server::{COMMAND, configured};

#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn answers_a_query_over_tcp() -> Result<(), Box<dyn Error>> {
    let postgres = services::postgres().started()?;

    let mut client = Client::connect(&postgres.url(), NoTls)?;
    client.batch_execute("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('Aoi')")?;
    let row = client.query_one("SELECT name FROM guests", &[])?;
    assert_eq!(row.get::<_, String>("name"), "Aoi");
    Ok(())
} // The server and its workers are stopped here.

/// The server is ready when its Unix socket accepts connections. The test then sends a query over the socket.
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn answers_a_query_over_its_unix_socket() -> Result<(), Box<dyn Error>> {
    let socket = "{tmpdir}/.s.PGSQL.{port}";
    let postgres = configured(UnixSocketExecutor::new(COMMAND, socket).shell(true)).started()?;

    let directory = postgres.tmpdir();
    let place = format!(
        "host={} port={} user=postgres",
        directory.display(),
        postgres.port()
    );
    // The server listens while it still checks its files, and refuses clients until it has finished.
    let mut client = None;
    postgres.wait_for(|| {
        client = Client::connect(&place, NoTls).ok();
        client.is_some()
    })?;
    let row = client.ok_or("no client")?.query_one("SELECT 6 * 7", &[])?;
    assert_eq!(row.get::<_, i32>(0), 42);
    Ok(())
}
