//! Parameters, and no harness in sight below that would leave them alone.

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
