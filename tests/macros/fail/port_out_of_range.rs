//! A port is a number up to 65535.

use mirakuru::with_process;

#[with_process(tcp = "service", port = 65536)]
#[with_process(tcp = "service", port = -1)]
#[with_process(tcp = "service", port = "6379")]
#[test]
fn ports() {}

fn main() {}
