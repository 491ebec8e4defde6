//! A URL's host is a name, or an address that stands in brackets if it has colons.

use mirakuru::with_process;

#[with_process(http = "service", url = "http://::1:8080/")]
#[with_process(http = "service", url = "http://local host/")]
#[with_process(http = "service", url = "http://[::1/")]
#[test]
fn hosts() {}

fn main() {}
