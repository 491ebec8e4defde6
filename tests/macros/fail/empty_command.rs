//! A command must have a program.

use mirakuru::with_process;

#[with_process(simple = "")]
#[with_process(simple = "  ")]
#[with_process(simple = "'' a")]
#[with_process(simple = [])]
#[with_process(simple = ["", "a"])]
#[test]
fn empty() {}

fn main() {}
