//! Several processes of one test.
//!
//! They start in the order written and stop in reverse. Each is bound to its parameter. A later process can use the
//! values of an earlier one.

use mirakuru::{HttpExecutor, OutputExecutor, SimpleExecutor, TcpExecutor, with_process};

use crate::{
    PROGRAM,
    bodies::panic_of,
    recorded::{Notes, note, notes},
};

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
#[with_process(executor = notes("third"))]
fn three() {
    note("body");
}

#[test]
fn processes_start_in_order_and_stop_in_reverse() {
    let all = Notes::new();
    three();
    let order = "first+, second+, third+, body, third-, second-, first-";
    assert_eq!(all.text(), order);
}

/// The outermost attribute collects the others, wherever they are on the function.
#[with_process(executor = notes("first"))]
#[allow(clippy::let_and_return, reason = "an attribute between the others")]
#[with_process(executor = notes("second"))]
#[must_use]
#[mirakuru::with_process(executor = notes("third"))]
fn scattered() -> u8 {
    note("body");
    1
}

#[test]
fn scattered_attributes_are_collected() {
    let all = Notes::new();
    assert_eq!(scattered(), 1);
    let order = "first+, second+, third+, body, third-, second-, first-";
    assert_eq!(all.text(), order);
}

#[with_process(executor = notes("first"))]
#[with_process(output = [PROGRAM, "prints", "--then-exit", "1", "oh no"], banner = "ready")]
#[with_process(executor = notes("third"))]
fn cannot_start() {
    note("body");
}

#[test]
fn a_failed_start_stops_the_processes_before_it() {
    let all = Notes::new();
    let reported = panic_of(cannot_start);
    assert!(reported.contains("ended before it was ready"), "{reported}");
    assert!(reported.contains("| oh no"), "{reported}");
    assert_eq!(all.text(), "first+, first-");
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"])]
#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://127.0.0.1:{port}/")]
#[with_process(simple = "sleep 60")]
#[test]
fn each_process_has_its_parameter(tcp: &TcpExecutor, http: &HttpExecutor, _sleep: &SimpleExecutor) {
    assert_ne!(tcp.port(), http.port());
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], bind = db)]
#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], host = "{db.host}")]
#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://{db.host}:{port}/")]
#[test]
fn a_host_may_come_from_another_process(
    db: &TcpExecutor,
    second: &TcpExecutor,
    third: &HttpExecutor,
) {
    assert_eq!((db.host(), db.host()), (second.host(), third.host()));
    assert_ne!(db.port(), second.port());
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], bind = db)]
#[with_process(
    output = [PROGRAM, "prints", "{db.host} {db.port} {db.addr}"],
    banner = "^127",
    env = { DATABASE_URL = "postgres://{db.host}:{db.port}/" },
    bind = second,
)]
#[with_process(
    output = "echo $URL {second.tmpdir} {db.url}; exec sleep 60",
    shell = true,
    banner = "postgres",
    env = { URL = "postgres://{db.addr}/" },
)]
#[test]
fn a_later_process_uses_values_of_an_earlier_one(
    db: &TcpExecutor,
    second: &OutputExecutor,
    third: &OutputExecutor,
) {
    let (addr, port) = (db.addr(), db.port());
    assert_eq!(second.output().text(), format!("127.0.0.1 {port} {addr}\n"));
    let tmpdir = second.tmpdir();
    let expected = format!("postgres://{addr}/ {} http://{addr}\n", tmpdir.display());
    assert_eq!(third.output().text(), expected);
}

#[with_process(simple = "sleep 60", bind = first)]
#[with_process(output = [PROGRAM, "prints", "{first.socket} {first.pidfile}"], banner = "^/")]
#[test]
fn a_later_process_uses_paths_of_an_earlier_one(first: &SimpleExecutor, second: &OutputExecutor) {
    let (socket, pidfile) = (first.socket(), first.filename());
    let expected = format!("{} {}\n", socket.display(), pidfile.display());
    assert_eq!(second.output().text(), expected);
}
