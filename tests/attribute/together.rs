//! Processes of one test that start at the same time, and named ports of others.

use std::net::TcpStream;

use mirakuru::{SimpleExecutor, TcpExecutor, with_process};

use crate::{PROGRAM, bodies::panic_of};

#[with_process(tcp = [PROGRAM, "meets", "{port}", "{port:peer}", "{second.port:peer}"], bind = first)]
#[with_process(tcp = [PROGRAM, "meets", "{port}", "{port:peer}", "{first.port:peer}"], bind = second,
               together = true)]
#[test]
fn processes_that_wait_for_each_other_start(first: &TcpExecutor, second: &TcpExecutor) {
    assert!(TcpStream::connect(first.addr()).is_ok() && TcpStream::connect(second.addr()).is_ok());
    assert_ne!(first.port_named("peer"), second.port_named("peer"));
}

#[with_process(simple = "sleep 60", bind = alone)]
#[with_process(simple = "sleep 60")]
#[with_process(output = [PROGRAM, "prints", "--then-exit", "1", "no luck"], banner = "x", together = true)]
fn one_fails() {
    unreachable!("the body does not run");
}

#[test]
fn a_failure_in_a_group_fails_the_test() {
    let text = panic_of(one_fails);
    assert!(text.contains("| no luck"), "{text}");
}

#[with_process(simple = "sh -c 'exec sleep 60' {port:x}", bind = db)]
#[with_process(simple = "sh -c 'echo $PORT; exec sleep 60'", env = { PORT = "{db.port:x}" })]
#[test]
fn a_later_process_knows_named_ports(db: &SimpleExecutor, second: &SimpleExecutor) {
    let wanted = format!("{}\n", db.port_named("x"));
    let printed = second.wait_for(|| second.output().text() == wanted);
    assert!(printed.is_ok(), "{wanted} {printed:?}");
}
