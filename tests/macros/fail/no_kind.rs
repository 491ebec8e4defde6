//! An attribute must start something.

use mirakuru::with_process;

#[with_process]
#[test]
fn nothing() {}

#[with_process(timeout = "10s")]
#[test]
fn options_only() {}

fn main() {}
