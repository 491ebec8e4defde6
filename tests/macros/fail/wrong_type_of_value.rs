//! A literal of the wrong type.

use mirakuru::with_process;

#[with_process(tcp = "service", port = 6379, host = 127)]
#[with_process(simple = "sleep 60", cwd = 1)]
#[with_process(simple = "sleep 60", shell = "yes")]
#[with_process(simple = "sleep 60", name = 1)]
#[with_process(simple = "sleep 60", expected_returncode = "0")]
#[with_process(simple = "sleep 60", crate = "mirakuru")]
#[with_process(unix = "service", socket = 1)]
#[with_process(pid = "service", filename = true)]
#[with_process(output = "service", banner = 'x')]
#[with_process(http = "service", url = 80)]
#[with_process(executor = "redis-server")]
#[with_process(simple = "sleep 60", user = true)]
#[with_process(shared = "SHARED")]
#[test]
fn values() {}

fn main() {}
