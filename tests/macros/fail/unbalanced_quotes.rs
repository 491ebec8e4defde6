//! Unbalanced quotes, unless a shell splits the command.

use mirakuru::with_process;

#[with_process(simple = "sh -c 'sleep 60")]
#[with_process(simple = "sh -c 'sleep 60", shell = true)]
#[test]
fn open() {}

fn main() {}
