//! Names of ports: of a wrong form, of a process without that port, and of a process whose ports are not all visible.

use mirakuru::with_process;

#[with_process(tcp = "node --port {port} --peer {port:Peer} {port:3000}")]
#[test]
fn of_a_wrong_form() {}

#[with_process(tcp = "node --port {port} --peer {port:peer}", bind = node)]
#[with_process(simple = "client {node.port:peer} {node.port:pear} {node.port:Peer}")]
#[test]
fn of_another_process() {}

const COMMAND: &str = "node --port {port}";

/// The command may have any name.
#[with_process(tcp = COMMAND, bind = node)]
#[with_process(simple = "client {node.port:peer}", port = 1)]
#[test]
fn of_a_constant() {}

fn main() {}
