//! A command that is no command.

use mirakuru::with_process;

#[with_process(simple = 5)]
#[with_process(simple = ["sleep", 60])]
#[test]
fn numbers() {}

fn main() {}
