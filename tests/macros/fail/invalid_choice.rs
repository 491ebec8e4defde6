//! One of a few words.

use mirakuru::with_process;

#[with_process(output = "service", banner = "ready", stream = stdin)]
#[with_process(tcp = "service", port = 6379, on_conflict = wiat)]
#[test]
fn words() {}

fn main() {}
