//! A check of a named port that the service does not receive: the help names the port.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mirakuru::{Executor, HttpExecutor, Readiness, TcpExecutor, readiness::Exec};
use mirakuru_tests::error_text::error_of;

use crate::PROGRAM;

const MONITOR: &str = "http://127.0.0.1:{port:monitor}/health";

/// Returns the text of the error at the deadline.
#[track_caller]
fn overdue<R: Readiness>(executor: Executor<R>) -> String {
    error_of(executor.timeout(Duration::from_secs(3)).start()).to_string()
}

#[test]
fn the_help_names_the_port_of_the_check() {
    let command = [
        PROGRAM,
        "listens_late",
        "{port:monitr}",
        "0",
        "127.0.0.1",
        "{port}",
    ];
    let service = HttpExecutor::new(command, MONITOR);
    let (asked, given) = (service.port_named("monitor"), service.port_named("monitr"));
    let text = overdue(service);
    let note = format!("\n  note:        it listens on port {given}, and not on {asked}\n");
    assert!(text.contains(&note), "{text}");
    let help = "\n  help:        neither the command nor its environment contains `{port:monitor}`, only `{port}`, `{port:monitr}`: does the service get `{port:monitor}` in another way?";
    assert!(text.ends_with(help), "{text}");
}

#[test]
fn a_service_that_listens_nowhere_gets_the_same_help() {
    let text = overdue(HttpExecutor::new("sleep 60", MONITOR));
    let help = "note:        it printed nothing\n  help:        neither the command nor its environment contains `{port:monitor}`: does the service get `{port:monitor}` in another way?";
    assert!(text.ends_with(help), "{text}");
    let variable = HttpExecutor::new("sleep 60", MONITOR).env("PORT", "{port:a}");
    let text = overdue(variable);
    assert!(
        text.contains("`{port:monitor}`, only `{port:a}`: does the service"),
        "{text}"
    );
}

#[test]
fn the_port_of_an_added_check_is_named() {
    let service = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0);
    let text = overdue(service.also(Exec::new("false {port:admin}")));
    let help = "neither the command nor its environment contains `{port:admin}`, only `{port}`: does the service get `{port:admin}` in another way?";
    assert!(text.ends_with(help), "{text}");
}

/// A host may contain the port that an added check asks, as in `HOST:PORT`. The port of the executor's own check is not
/// part of the host.
#[test]
fn a_host_in_the_command_may_contain_an_added_port() {
    let service = |check| {
        let command = ["sh", "-c", "exec sleep 60", "{host}"];
        HttpExecutor::new(command, check).also(Exec::new("false {port:admin}"))
    };
    let text = overdue(service(MONITOR));
    let help = "neither the command nor its environment contains `{port:monitor}`: does the service get `{port:monitor}` in another way?";
    assert!(text.ends_with(help), "{text}");
    let own = service("http://127.0.0.1:{port}/").env("PORT", "{port}");
    let text = overdue(own);
    assert!(!text.contains("{port:admin}`"), "{text}");
}

#[test]
fn a_port_in_a_variable_or_in_use_gets_no_help() {
    let reported = HttpExecutor::new("sleep 60", MONITOR).env("PORT", "{port:monitor}");
    let text = overdue(reported);
    assert!(!text.contains("help:"), "{text}");
    // The service reads the port from a file, and answers there.
    let learns = HttpExecutor::new(
        [
            "sh",
            "-c",
            "exec \"$0\" http_service $(cat {tmpdir}/port) 0 500",
            PROGRAM,
        ],
        MONITOR,
    );
    let port = learns.port_named("monitor").to_string();
    std::fs::write(learns.tmpdir().join("port"), port).expect("own directory");
    let text = overdue(learns);
    assert!(text.contains("it answered with status 500"), "{text}");
    assert!(!text.contains("help:"), "{text}");
}

#[test]
fn a_service_that_ignores_its_port_gets_other_help() {
    let other = TcpExecutor::new("x", "127.0.0.1", 0).port().to_string();
    let command = [PROGRAM, "listens_late", &other, "0", "127.0.0.1", "{port}"];
    let text = overdue(TcpExecutor::new(command, "127.0.0.1", 0));
    let help = "help:        does the service listen on `{port}`, which its command or environment contains?";
    assert!(text.ends_with(help), "{text}");
}
