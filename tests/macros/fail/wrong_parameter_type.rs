//! A parameter whose type is not that of the process. The error points at the parameter.

use mirakuru::{HttpExecutor, with_process};

#[with_process(tcp = "redis-server --port {port}")]
#[test_case::test_case(1)]
fn sync(redis: &HttpExecutor, _number: u8) {}

#[with_process(tcp = "redis-server --port {port}")]
#[tokio::main]
async fn asynchronous(redis: &HttpExecutor) {}

fn main() {}
