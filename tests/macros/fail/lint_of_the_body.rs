//! A lint about the body points at the user's own braces.
#![deny(unused_braces)]

use mirakuru::{SimpleExecutor, with_process};

#[with_process(simple = "sleep 60")]
#[test_case::test_case(1)]
#[rustfmt::skip]
fn braces(sleep: &SimpleExecutor, _number: u8) { { drop(sleep.stop()) } }

fn main() {}
