//! `together` must be a literal. The first process and a shared fixture cannot start together with the one before.

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

/// A process may name those of its group and those before it, but not later ones.
#[with_process(simple = "client {second.port} {third.port}", bind = first)]
#[with_process(simple = "client {first.port} {third.port}", bind = second, together = true)]
#[with_process(simple = "client {first.port} {second.port}", bind = third)]
#[test]
fn names() {}

fn main() {}
