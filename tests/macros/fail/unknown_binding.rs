//! A binding that no attribute before has, and a part that it does not have.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port}", bind = db, env = { A = "{db.port}" })]
#[with_process(simple = "service {bd.port} {db.prot}")]
#[with_process(simple = "service {db.name}")]
#[test]
fn bindings() {}

/// What is bound is known, though its kind is not.
#[with_process(tpc = "redis-server --port {port}", bind = db)]
#[with_process(simple = "service {db.port}")]
#[test]
fn of_a_mistake() {}

fn main() {}
