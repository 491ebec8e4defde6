//! A method is one word.

use mirakuru::with_process;

#[with_process(http = "service", url = "http://127.0.0.1/", method = "GET IT")]
#[with_process(http = "service", url = "http://127.0.0.1/", method = 5)]
#[test]
fn methods() {}

fn main() {}
