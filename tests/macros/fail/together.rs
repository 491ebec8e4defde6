//! Processes that start together: not the first, not with a shared fixture, and nothing but a literal.

use mirakuru::{Shared, SimpleExecutor, with_process};

static SHARED: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
const TOGETHER: bool = true;

#[with_process(simple = "sleep 60", together = true)]
#[test]
fn the_first() {}

#[with_process(shared = SHARED)]
#[with_process(simple = "sleep 60", together = true)]
#[test]
fn with_a_fixture() {}

#[with_process(simple = "sleep 60")]
#[with_process(simple = "sleep 60", together = TOGETHER)]
#[test]
fn by_a_constant() {}

/// A process names those of its group and those before it, and no later one.
#[with_process(simple = "client {second.port} {third.port}", bind = first)]
#[with_process(simple = "client {first.port} {third.port}", bind = second, together = true)]
#[with_process(simple = "client {first.port} {second.port}", bind = third)]
#[test]
fn names() {}

fn main() {}
