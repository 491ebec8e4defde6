//! An attribute that is still being written. The function exists anyway.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", timeout = )]
#[test]
fn no_value() {}

#[with_process(simple = "sleep 60", timeout)]
#[test]
fn no_equals() {}

#[with_process(simple = "sleep 60" timeout = "10s")]
#[test]
fn no_comma() {}

#[with_process(simple = )]
fn used() -> u8 {
    1
}

#[with_process(simple = "sleep 60", 5)]
#[test]
fn uses() {
    let number: u8 = used();
}

fn main() {}
