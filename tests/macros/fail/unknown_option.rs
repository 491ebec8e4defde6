//! An unknown option. The error suggests the nearest one.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port}", timout = "10s")]
#[test]
fn near() {}

#[with_process(tpc = "redis-server --port {port}")]
#[test]
fn near_a_kind() {}

#[with_process(simple = "sleep 60", colour = "red")]
#[test]
fn far() {}

fn main() {}
