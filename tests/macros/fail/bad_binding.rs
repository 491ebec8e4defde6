//! A binding is a name that is unique among the attributes of a function.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", bind = "db")]
#[with_process(simple = "sleep 60", bind = cache)]
#[with_process(simple = "sleep 60", bind = cache)]
#[with_process(simple = "sleep 60", bind = Cache)]
#[test]
fn bindings() {}

fn main() {}
