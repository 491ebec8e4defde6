//! An executor does not start before `start` is called.
#![deny(unused_must_use)]

use mirakuru::TcpExecutor;

fn main() {
    TcpExecutor::new("redis-server --port {port}", "127.0.0.1", 0);
}
