//! A URL must have a scheme, a host, and a valid port.

use mirakuru::with_process;

#[with_process(http = "service", url = "127.0.0.1:8080")]
#[with_process(http = "service", url = "ftp://127.0.0.1/")]
#[with_process(http = "service", url = "http:///path")]
#[with_process(http = "service", url = "http://127.0.0.1:99999/")]
#[with_process(http = "service", url = "http://127.0.0.1: 80/")]
#[with_process(http = "service", url = "http://127.0.0.1:0/")]
#[with_process(http = "service", url = "http://127.0.0.1:8\t0/")]
#[with_process(http = "service {port}", url = "http://{host}:{port}/")]
#[test]
fn urls() {}

fn main() {}
