//! Tests that `runners.rs` and `kept.rs` run under a nextest of their own. Some hang, so no other run includes them.
#![cfg(target_os = "linux")]

mod stubborn;

use std::{env, sync::OnceLock, thread};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::command_holding;

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");

static SERVICE: OnceLock<OutputExecutor> = OnceLock::new();

/// Returns the path of the pipe that `runners.rs` watches.
fn hold() -> String {
    env::var("HOLD").expect("it is run by `runners.rs`")
}

fn stubborn_service() -> OutputExecutor {
    OutputExecutor::new(stubborn::service(&hold()), "daemon")
}

#[test]
fn hangs_with_a_local() {
    let _service = stubborn_service().started().expect("it starts");
    loop {
        thread::park();
    }
}

#[test]
fn hangs_and_keeps_its_directory() {
    let words = command_holding(&hold(), &[PROGRAM, "holds", "1"]);
    let service = OutputExecutor::new(words, "holding").keep_tmpdir(true);
    let parent = env::var("KEEP_IN").expect("it is run by `kept.rs`");
    let _service = service.tmpdir_in(parent).started().expect("it starts");
    loop {
        thread::park();
    }
}

#[test]
fn hangs_with_a_static() {
    SERVICE.get_or_init(|| stubborn_service().started().expect("it starts"));
    loop {
        thread::park();
    }
}

#[test]
fn leaves_a_chatty_service_in_a_static() {
    let chatty = OutputExecutor::new(["yes", "one line of very many"], "many");
    SERVICE.get_or_init(|| chatty.started().expect("it starts"));
}

#[test]
fn leaves_a_silent_service_in_a_static() {
    let words = command_holding(&hold(), &[PROGRAM, "holds", "3"]);
    SERVICE.get_or_init(|| {
        OutputExecutor::new(words, "holding")
            .started()
            .expect("it starts")
    });
}

#[test]
fn leaves_a_daemon_in_a_static() {
    SERVICE.get_or_init(|| stubborn_service().started().expect("it starts"));
}

#[test]
fn drops_a_daemon() {
    drop(stubborn_service().started().expect("it starts"));
}
