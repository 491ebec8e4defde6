//! A binding that no earlier attribute has, and a part that a process does not have.

use mirakuru::with_process;

#[with_process(tcp = "redis-server --port {port}", bind = db, env = { A = "{db.port}" })]
#[with_process(simple = "service {bd.port} {db.prot}")]
#[with_process(simple = "service {db.name}")]
#[test]
fn bindings() {}

/// The binding is known even if the kind of the process is not.
#[with_process(tpc = "redis-server --port {port}", bind = db)]
#[with_process(simple = "service {db.port}")]
#[test]
fn of_a_mistake() {}

fn main() {}
