//! PostgreSQL, made afresh for each test, or once for the whole run with a database for each test.

mod database;
mod leftovers;
mod one_each;
mod server;
mod shared;
