//! A process is passed by reference.

use mirakuru::{SimpleExecutor, with_process};

#[with_process(simple = "sleep 60")]
#[test]
fn value(sleep: SimpleExecutor) {}

#[with_process(simple = "sleep 60")]
#[test]
fn mutable(sleep: &mut SimpleExecutor) {}

fn main() {}
