//! PostgreSQL, made afresh for each test: `initdb` into the private directory, then `postgres`.

use std::error::Error;

use mirakuru::readiness::Readiness;
use mirakuru::{Executor, OutputExecutor, UnixSocketExecutor};
use postgres::{Client, NoTls};

/// A cluster without passwords and without the care for power cuts that a test does not need. Its
/// programs are where the build script found them. A restart finds the cluster made.
const COMMAND: &str = concat!(
    "PATH='",
    env!("POSTGRES_BIN"),
    "':$PATH; ",
    "test -d {tmpdir}/data || ",
    "initdb --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C {tmpdir}/data && ",
    "exec postgres -D {tmpdir}/data -F -h {host} -p {port} -k {tmpdir}",
);

/// PostgreSQL refuses to run as root. The private directory becomes its user's too.
fn unprivileged<R: Readiness>(postgres: Executor<R>) -> Executor<R> {
    if cfg!(root) {
        postgres.user("postgres")
    } else {
        postgres
    }
}

/// Ready when it says so; then it takes queries over TCP.
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn answers_a_query_over_tcp() -> Result<(), Box<dyn Error>> {
    let banner = "database system is ready to accept connections";
    let postgres = unprivileged(OutputExecutor::new(COMMAND, banner).shell(true)).started()?;

    let (host, port) = (postgres.host(), postgres.port());
    let mut client = Client::connect(&format!("host={host} port={port} user=postgres"), NoTls)?;
    client.batch_execute("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('Aoi')")?;
    let row = client.query_one("SELECT name FROM guests", &[])?;
    assert_eq!(row.get::<_, String>("name"), "Aoi");
    Ok(())
} // It is stopped here, and gone with its workers.

/// Ready when its socket accepts; then it takes queries there.
#[test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
fn answers_a_query_over_its_unix_socket() -> Result<(), Box<dyn Error>> {
    let socket = "{tmpdir}/.s.PGSQL.{port}";
    let postgres = unprivileged(UnixSocketExecutor::new(COMMAND, socket).shell(true)).started()?;

    let directory = postgres.tmpdir();
    let place = format!(
        "host={} port={} user=postgres",
        directory.display(),
        postgres.port()
    );
    // It listens while it still looks through its files, and turns visitors away until it has.
    let mut client = None;
    postgres.wait_for(|| {
        client = Client::connect(&place, NoTls).ok();
        client.is_some()
    })?;
    let row = client.ok_or("no client")?.query_one("SELECT 6 * 7", &[])?;
    assert_eq!(row.get::<_, i32>(0), 42);
    Ok(())
}
