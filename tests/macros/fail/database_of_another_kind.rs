//! Only some kinds have databases.

use mirakuru::services::{Database, PostgresExecutor};
use mirakuru::{Shared, TcpExecutor, with_process};

#[with_process(memcached, database = true)]
#[with_process(tcp = "server {port}", database = true)]
#[with_process(postgres, database = "app")]
#[test]
fn of_no_kind(cache: &Database, server: &Database) {}

fn main() {}
