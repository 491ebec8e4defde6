//! A value must be one of a few words. The error suggests the nearest one.

use mirakuru::with_process;

#[with_process(output = "service", banner = "ready", stream = stdin)]
#[with_process(tcp = "service", port = 6379, on_conflict = wiat)]
#[with_process(tcp = "service", port = 6379, on_conflict = resue)]
#[with_process(tcp = "service", port = 6379, on_conflict = "Fial")]
#[test]
fn words() {}

fn main() {}
