//! The attribute can only be used on a function.

use mirakuru::with_process;

#[with_process(simple = "sleep 60")]
struct Service;

#[with_process(simple = "sleep 60")]
mod tests {}

fn main() {}
