//! Quotes that do not close; a shell splits its command itself.

use mirakuru::with_process;

#[with_process(simple = "sh -c 'sleep 60")]
#[with_process(simple = "sh -c 'sleep 60", shell = true)]
#[test]
fn open() {}

fn main() {}
