//! The compiler reports an error in the body at its place in the body.

use mirakuru::{SimpleExecutor, with_process};

#[with_process(simple = "sleep 60")]
#[test_case::test_case(1)]
fn sync(sleep: &SimpleExecutor, _number: u8) {
    let number: u32 = sleep.running();
}

#[with_process(simple = "sleep 60")]
#[tokio::main]
async fn asynchronous(sleep: &SimpleExecutor) {
    let number: u32 = sleep.running();
}

#[with_process(simple = "sleep 60")]
#[test_case::test_case(1)]
#[rustfmt::skip]
fn without_a_type(_sleep: &SimpleExecutor, number: u8) { Ok::<u8, ()>(number) }

fn main() {}
