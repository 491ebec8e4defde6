//! One attribute starts one process.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port}", simple = "sleep 60")]
#[test]
fn two() {}

#[with_process(simple = "sleep 60", simple = "sleep 61")]
#[test]
fn the_same_twice() {}

fn main() {}
