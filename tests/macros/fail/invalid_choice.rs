//! One of a few words: the nearest one is named, where one is near.

use mirakuru::with_process;

#[with_process(output = "service", banner = "ready", stream = stdin)]
#[with_process(tcp = "service", port = 6379, on_conflict = wiat)]
#[with_process(tcp = "service", port = 6379, on_conflict = resue)]
#[with_process(tcp = "service", port = 6379, on_conflict = "Fial")]
#[test]
fn words() {}

fn main() {}
