//! Tests that `runners` runs under runners of its own: all use one service of the run.
#![cfg(target_os = "linux")]

use std::{env, fs::OpenOptions, io::Write, thread};

use mirakuru::{OutputExecutor, Shared};

static SERVICE: Shared<OutputExecutor> = Shared::per_run("the service", || {
    // Each start leaves a line; the lock is held as long as a process of it lives.
    let script = format!(
        "echo started >> {}; exec {} {} 1",
        path("starts"),
        env!("CARGO_BIN_EXE_holds"),
        path("hold")
    );
    OutputExecutor::new(script, "(?<word>holding)").shell(true)
});

/// A file in the directory that `runners` looks at.
fn path(name: &str) -> String {
    let directory = env::var("IN_A_RUN").expect("it is run by `runners`");
    format!("{directory}/{name}")
}

fn note(name: &str, line: &str) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path(name));
    // At once: others write too.
    let line = format!("{line}\n");
    let mut file = file.expect("own directory");
    file.write_all(line.as_bytes()).expect("room");
}

fn uses_it() {
    let service = SERVICE.get().expect("it is there");
    assert!(service.running());
    assert_eq!(service.captured("word").as_deref(), Some("holding"));
    assert_eq!(service.output().text(), "holding\n");
    note("pids", &service.pid().expect("it runs").to_string());
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            uses_it();
        }
    )*};
}

tests! { uses_it_0 uses_it_1 uses_it_2 uses_it_3 uses_it_4 uses_it_5 uses_it_6 uses_it_7 }

/// Each of these restarts it for everyone, one after the other.
fn restarts_it() {
    let service = SERVICE.lock().expect("it is there");
    let before = service.pid().expect("it runs");
    service.restart().expect("it starts again");
    let after = service.pid().expect("it runs");
    assert_ne!(before, after);
    assert_eq!(service.output().text(), "holding\n");
}

#[test]
fn restarts_0() {
    restarts_it();
}

#[test]
fn restarts_1() {
    restarts_it();
}

#[test]
fn restarts_2() {
    restarts_it();
}

#[test]
fn hangs_after_it_came_first() {
    uses_it();
    loop {
        thread::park();
    }
}

#[test]
fn has_a_slot() {
    assert_eq!(mirakuru::slot(), mirakuru::slot());
    note("slots", &mirakuru::slot().to_string());
}
