//! An option must not be given twice.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", timeout = "10s", timeout = "20s")]
#[with_process(simple = "sleep 60", env = { A = "b" }, env = { C = "d" })]
#[with_process(simple = "sleep 60", env = { A = "b", A = "c" })]
#[test]
fn twice() {}

fn main() {}
