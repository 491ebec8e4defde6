//! A regular expression must be valid. The error shows the message of its parser.

use mirakuru::with_process;

#[with_process(output = "service", banner = "listens on (\\d+")]
#[with_process(output = "service", banner = r"\p{Nowhere}")]
#[test]
fn banners() {}

fn main() {}
