//! Tests the attribute `#[with_process(…)]`.

use std::{
    net::TcpStream,
    panic::catch_unwind,
    process::{Command, Stdio},
    sync::LazyLock,
};

use mirakuru::{
    HttpExecutor, OutputExecutor, PidExecutor, Shared, SimpleExecutor, TcpExecutor, with_process,
};
use mirakuru_everywhere::{life::Life, program, service};

use crate::{NOW, assert_parts, waits};

#[with_process(tcp = service(&["listen={port}", "wait"]), port = 0)]
#[test]
fn a_tcp_service_is_ready(service: &TcpExecutor) {
    TcpStream::connect(service.addr()).expect("it listens");
}

#[with_process(http = service(&["http={port}", "wait"]), url = "http://127.0.0.1:{port}/")]
#[test]
fn an_http_service_is_ready(service: &HttpExecutor) {
    assert_parts(&service.output().text(), &["answers 200"]);
}

#[with_process(output = service(&["say=up on {port}", "wait"]), banner = r"up on (?<port>\d+)")]
#[test]
fn an_output_service_is_ready(service: &OutputExecutor) {
    assert_eq!(service.captured("port"), Some(service.port().to_string()));
}

#[with_process(pid = service(&["write-pid={pidfile}", "wait"]), filename = "{pidfile}")]
#[test]
fn a_pid_service_is_ready(service: &PidExecutor) {
    assert!(service.filename().exists());
}

#[with_process(simple = service(&["wait"]), name = "idle", stop_timeout = "5s")]
#[test]
fn a_simple_service_runs(service: &SimpleExecutor) {
    assert!(service.running());
}

static SHARED: Shared<OutputExecutor> = Shared::new(|| waits(&["say=shared"]));

#[with_process(shared = SHARED, lock = true)]
#[test]
fn a_shared_service_is_up(service: &OutputExecutor) {
    assert_eq!(service.output().text(), "shared\nready\n");
}

#[with_process(tcp = service(&["listen={port}", "wait"]), port = 0, bind = db)]
#[with_process(executor = waits(&["env=DB"]), env = { DB = "{db.addr}" }, bind = web)]
#[test]
fn a_later_process_gets_the_address_of_an_earlier_one(db: &TcpExecutor, web: &OutputExecutor) {
    let line = format!("DB Some(\"{}\")\n", db.addr());
    assert_parts(&web.output().text(), &[&line]);
}

#[with_process(output = service(&["say=up {second.port:peer} {port:peer}", "wait"]), banner = "up",
               bind = first)]
#[with_process(output = service(&["say=up {first.port:peer} {port:peer}", "wait"]), banner = "up",
               bind = second, together = true)]
#[test]
fn processes_that_start_together_know_each_other(first: &OutputExecutor, second: &OutputExecutor) {
    let [own, peer] = [first, second].map(|process| process.port_named("peer"));
    assert_eq!(first.output().text(), format!("up {peer} {own}\n"));
    assert_eq!(second.output().text(), format!("up {own} {peer}\n"));
}

static LIFE: LazyLock<Life> = LazyLock::new(Life::new);

#[with_process(executor = waits(&[&LIFE.step(), "daemon"]))]
fn panics() {
    LIFE.wait_for(2);
    panic!("as asked");
}

#[test]
fn a_process_is_gone_after_its_test_panicked() {
    catch_unwind(panics).expect_err("it panics");
    LIFE.all_gone_within(NOW);
}

#[with_process(output = service(&["say=out of luck", "exit=7"]), banner = "never")]
fn cannot_start() {
    unreachable!("the body does not run");
}

#[test]
fn a_failed_start_is_the_panic_of_the_test() {
    let panic = catch_unwind(cannot_start).expect_err("it panics");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert_parts(text, &["exited with code 7", "| out of luck"]);
}

#[test]
fn a_failing_test_shows_what_its_services_printed() {
    let mut process = Command::new(program("everywhere-test-process"));
    let output = process
        .arg("reports")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(101));
    let text = [output.stdout, output.stderr].concat();
    let parts = [
        "the body's own panic",
        "the processes of the test",
        "| ready",
        "| no space",
    ];
    assert_parts(&String::from_utf8_lossy(&text), &parts);
}
