//! Runs two tests in turn, as nextest does: `everywhere-nextest PROGRAM WORD...`. Mirakuru recognises a runner by its
//! name.

use std::{
    env,
    process::{self, Command, Stdio},
};

fn main() {
    let mut words = env::args().skip(1);
    let program = words.next().expect("a program");
    let words: Vec<_> = words.collect();
    for _ in 0..2 {
        let mut test = Command::new(&program);
        // The variable that nextest gives to the tests of a run.
        test.env("NEXTEST_RUN_ID", format!("run-of-{}", process::id()));
        let status = test.args(&words).stdin(Stdio::null()).status();
        assert!(status.expect("it runs").success());
    }
}
