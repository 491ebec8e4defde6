//! The host of a URL is a name or an address. An address with colons must be in brackets.

use mirakuru::with_process;

#[with_process(http = "service", url = "http://::1:8080/")]
#[with_process(http = "service", url = "http://local host/")]
#[with_process(http = "service", url = "http://[::1/")]
#[test]
fn hosts() {}

fn main() {}
