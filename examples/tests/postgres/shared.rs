//! Tests that share one server, and may run at the same time.

use std::error::Error;

use mirakuru::services::PostgresExecutor;
use mirakuru::with_process;
use postgres::{Client, NoTls};

use crate::database::POSTGRES;

/// Inserts a key that all tests insert, and counts the guests in the test's own database.
fn has_two_guests(server: &PostgresExecutor) -> Result<(), Box<dyn Error>> {
    let database = server.database()?;
    let mut client = Client::connect(&database.url(), NoTls)?;
    client.batch_execute("INSERT INTO guests VALUES ('Ren')")?;
    let row = client.query_one("SELECT count(*) FROM guests", &[])?;
    assert_eq!(row.get::<_, i64>(0), 2);
    Ok(())
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[with_process(shared = POSTGRES)]
        #[test]
        #[cfg_attr(
            not(has_postgres),
            ignore = "PostgreSQL is not installed: apt-get install postgresql"
        )]
        fn $name(server: &PostgresExecutor) -> Result<(), Box<dyn Error>> {
            has_two_guests(server)
        }
    )*};
}

tests! { has_its_own_0 has_its_own_1 has_its_own_2 has_its_own_3 has_its_own_4 has_its_own_5 }
