//! A status is a code, or a regular expression for codes.

use mirakuru::with_process;

#[with_process(http = "service", url = "http://127.0.0.1/", status = 20)]
#[with_process(http = "service", url = "http://127.0.0.1/", status = "2(")]
#[with_process(http = "service", url = "http://127.0.0.1/", status = true)]
#[test]
fn statuses() {}

fn main() {}
