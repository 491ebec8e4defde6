//! A duration has a unit, or is a number of seconds.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", timeout = "10")]
#[with_process(simple = "sleep 60", timeout = "1 day")]
#[with_process(simple = "sleep 60", stop_timeout = -1)]
#[with_process(simple = "sleep 60", poll_interval = true)]
#[test]
fn times() {}

fn main() {}
