//! A command must be a string or an array of strings.

use mirakuru::with_process;

#[with_process(simple = 5)]
#[with_process(simple = ["sleep", 60])]
#[test]
fn numbers() {}

fn main() {}
