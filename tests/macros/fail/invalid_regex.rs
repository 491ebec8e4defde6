//! A regular expression that is none, with its own message.

use mirakuru::with_process;

#[with_process(output = "service", banner = "listens on (\\d+")]
#[with_process(output = "service", banner = r"\p{Nowhere}")]
#[test]
fn banners() {}

fn main() {}
