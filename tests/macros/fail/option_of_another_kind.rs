//! An option of another kind. The error names the kind.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port}", url = "http://127.0.0.1:{port}/")]
#[with_process(simple = "sleep 60", port = 6379)]
#[with_process(http = "service {port}", url = "http://127.0.0.1:{port}/", banner = "ready")]
#[test]
fn others() {}

#[with_process(simple = "sleep 60", lock = true)]
#[test]
fn of_a_fixture_alone() {}

static SHARED: mirakuru::Shared<mirakuru::SimpleExecutor> =
    mirakuru::Shared::new(|| mirakuru::SimpleExecutor::new("sleep 60"));

#[with_process(shared = SHARED, timeout = "10s")]
#[test]
fn shared() {}

fn main() {}
