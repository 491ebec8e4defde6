//! MariaDB, with a database for each test.

use std::error::Error;
use std::process::Command;

use mirakuru::Shared;
use mirakuru::services::{self, Database, MariadbExecutor};

static MARIADB: Shared<MariadbExecutor> = Shared::per_run("mariadb", || {
    services::mariadb().prepared(|url| {
        let (_, database) = url.rsplit_once('/').ok_or("no database")?;
        let made = query(url, database, "CREATE TABLE guests (name TEXT)");
        made.map(drop).map_err(|error| error.to_string().into())
    })
});

/// Sends statements with the client program, and returns its output.
fn query(url: &str, database: &str, statements: &str) -> Result<String, Box<dyn Error>> {
    let port = url
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next());
    let client = Command::new("mariadb")
        .args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--user=root",
        ])
        .args(["--host=127.0.0.1", "--port", port.ok_or("no port")?])
        .args(["--execute", statements, database])
        .output()?;
    if client.status.success() {
        return Ok(String::from_utf8(client.stdout)?);
    }
    Err(String::from_utf8(client.stderr)?.into())
}

fn in_own(database: &Database, statements: &str) -> Result<String, Box<dyn Error>> {
    query(&database.url(), database.name(), statements)
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        #[cfg_attr(
            not(has_mariadb),
            ignore = "MariaDB is not installed: apt-get install mariadb-server"
        )]
        fn $name() -> Result<(), Box<dyn Error>> {
            let database = MARIADB.get()?.database()?;
            in_own(&database, "INSERT INTO guests VALUES ('Aoi')")?;
            assert_eq!(in_own(&database, "SELECT count(*) FROM guests")?, "1\n");
            Ok(())
        }
    )*};
}

tests! { has_its_own_0 has_its_own_1 has_its_own_2 }
