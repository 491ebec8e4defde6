//! If all texts are literals, a named port in the URL must also be in the command or in the environment.

use mirakuru::with_process;

#[with_process(
    http = "nats-server --port {port} --http_port {port:monitr}",
    url = "http://127.0.0.1:{port:monitor}/healthz",
)]
#[with_process(http = ["server", "{port}"], url = "http://127.0.0.1:{port:admin}/")]
#[with_process(http = "server", url = "http://127.0.0.1:{port:admin}/")]
#[test]
fn is_nowhere() {}

const COMMAND: &str = "server {port:admin}";

#[with_process(http = COMMAND, url = "http://127.0.0.1:{port:admin}/")]
#[with_process(http = "server", url = "http://127.0.0.1:{port:admin}/", env = { PORT = "{port:admin}" })]
#[with_process(http = "server", url = "http://127.0.0.1:{port:admin}/", env = { PORT = COMMAND })]
#[with_process(http = "server {port}", url = "http://127.0.0.1:{port}/of/{port:other}")]
#[test]
fn may_be_there() {}

fn main() {}
