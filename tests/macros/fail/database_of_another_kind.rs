//! Only some kinds have databases.

use mirakuru::services::{Database, PostgresExecutor};
use mirakuru::{Shared, TcpExecutor, with_process};

#[with_process(memcached, database = true)]
#[with_process(tcp = "server {port}", database = true)]
#[with_process(postgres, database = "app")]
#[test]
fn of_no_kind(cache: &Database, server: &Database) {}

static SERVER: Shared<TcpExecutor> =
    Shared::new(|| TcpExecutor::new("server {port}", "127.0.0.1", 0));

#[with_process(shared = SERVER, database = true)]
#[test]
fn of_a_shared_one(db: &Database) {}

mod sqlx {
    pub(crate) struct Database;
}

#[with_process(postgres, database = true)]
#[test]
fn of_another_type(pg: &PostgresExecutor, db: &sqlx::Database) {}

fn main() {}
