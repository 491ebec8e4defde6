//! A database without a parameter is a mistake.

use mirakuru::services::{Database, PostgresExecutor};
use mirakuru::with_process;

#[with_process(postgres, database = true)]
#[test]
fn alone(pg: &PostgresExecutor) {}

#[with_process(postgres, database = true)]
#[with_process(redis, database = true)]
#[test]
fn one_of_two(db: &Database) {}

#[with_process(postgres, database = true)]
fn helper() {}

fn main() {}
