//! An unknown placeholder. The error suggests the nearest one. A misspelt port is not also reported as missing.

use mirakuru::with_process;

#[with_process(
    http = ["service", "--port", "{prot}"],
    url = "http://127.0.0.1:{port}/{tmpdri}",
    cwd = "{tmp}",
    env = { A = "{hots}", B = "${home} {{name}} {1..9}" },
)]
#[test]
fn near() {}

#[with_process(tcp = "redis-server --port {prt}")]
#[with_process(tcp = ["service"], env = { PORT = "{prot}" })]
#[test]
fn of_the_port() {}

#[with_process(
    http = "nats-server --port {port} --http_port {monitor}",
    url = "http://127.0.0.1:{port:monitor}/",
)]
#[test]
fn of_a_named_port() {}

fn main() {}
