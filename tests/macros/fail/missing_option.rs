//! Options that a kind needs.

use mirakuru::with_process;

#[with_process(tcp = "redis-server")]
#[with_process(output = "service")]
#[with_process(http = "service")]
#[with_process(unix = "service")]
#[with_process(pid = "service")]
#[test]
fn missing() {}

fn main() {}
