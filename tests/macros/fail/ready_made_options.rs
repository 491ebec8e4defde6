//! The options of ready-made servers.

use mirakuru::with_process;

#[with_process(postgres, version = 16, program = "", config = { max_connections = b"20", "" = 1 })]
#[with_process(redis, args = "--maxmemory 1mb")]
#[with_process(redis, args = ["--maxmemory", 1, "{prot}"], config = { dir = "{tmpdri}" })]
#[with_process(nats, config = ["max_payload", "1MB"])]
#[test]
fn wrong() {}

#[with_process(tcp = "server {port}", version = "16", args = ["x"])]
#[with_process(shared = SHARED, config = { a = "b" })]
#[with_process(postgres, port = 5432)]
#[test]
fn of_others() {}

#[with_process(redis, program = 'r')]
#[with_process(redis, args = [1.to_string()], config = { save = None::<u8> })]
#[test]
fn of_another_type() {}

fn main() {}
