//! Each process has one parameter at most.

use mirakuru::{SimpleExecutor, with_process};

#[with_process(simple = "sleep 60")]
#[test]
fn two(first: &SimpleExecutor, second: &SimpleExecutor) {}

#[with_process(simple = "sleep 60")]
#[with_process(simple = "sleep 60")]
#[tokio::test]
async fn three(first: &SimpleExecutor, second: &SimpleExecutor, third: &SimpleExecutor) {}

fn main() {}
