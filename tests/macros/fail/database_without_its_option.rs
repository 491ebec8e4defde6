//! A parameter is a database only if an attribute has `database = true`.

use mirakuru::services::{Database, PostgresExecutor};
use mirakuru::with_process;

#[with_process(postgres)]
#[test]
fn without(pg: &PostgresExecutor, db: &Database) {}

#[with_process(shared = PG, database = false)]
#[tokio::test]
async fn shared(db: &mirakuru::services::Database) {}

#[with_process(redis, database = true)]
#[test]
fn two_of_one(first: &Database, second: &Database) {}

#[with_process(mariadb, database = true)]
#[test]
fn by_value(db: Database) {}

#[with_process(mariadb, databse = true)]
#[test]
fn misspelled(db: &Database) {}

fn main() {}
