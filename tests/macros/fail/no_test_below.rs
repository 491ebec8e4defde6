//! A function with a parameter must have a test attribute below this one.

use mirakuru::{SimpleExecutor, with_process};

#[with_process(simple = "sleep 60")]
fn helper(sleep: &SimpleExecutor) {
    assert!(sleep.running());
}

#[with_process(simple = "sleep 60")]
fn argument(number: u8) -> u8 {
    number
}

fn main() {}
