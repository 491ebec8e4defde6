//! PostgreSQL, as a new server for each test, or as one server for the whole run with a database for each test.

mod database;
mod leftovers;
mod one_each;
mod server;
mod shared;
