//! Tests that `runners` runs under runners of its own. A variable of the tests is set from a service of the run.
#![cfg(target_os = "linux")]

use std::env;

use mirakuru::{OutputExecutor, Shared};
use mirakuru_tests::hold::script_holding;

static SERVICE: Shared<OutputExecutor> = Shared::per_run("exported", || {
    let variable = |name| env::var(name).expect("it is run by `runners`");
    // Each start appends a line.
    let script = format!(
        "echo started >> {}/starts; echo pid $$; exec sleep 600",
        variable("IN_A_RUN")
    );
    OutputExecutor::new(script_holding(&variable("HOLD"), &script), "pid").shell(true)
});

mirakuru::export! { PID_OF_THE_RUN = SERVICE, |service| service.output().text() }

fn has_the_variable() {
    let text = env::var("PID_OF_THE_RUN").expect("it is set before `main`");
    let pid = SERVICE.pid().expect("it runs");
    assert_eq!(text, format!("pid {pid}\n"));
}

#[test]
fn has_the_variable_0() {
    has_the_variable();
}

#[test]
fn has_the_variable_1() {
    has_the_variable();
}
