//! However a body ends, its processes are stopped, the last one first.
//!
//! A failed stop fails a test that passed otherwise. A second failure never replaces the first.

use std::error::Error;

use mirakuru::{Signal, SimpleExecutor, with_process};

use crate::{
    bodies::panic_of,
    recorded::{Notes, ends, note, notes},
};

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
fn returns_early() -> u8 {
    note("body");
    if std::env::args().count() > 0 {
        return 1;
    }
    note("never");
    2
}

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
fn fails() -> Result<u8, Box<dyn Error>> {
    note("body");
    Ok("no number".parse()?)
}

#[with_process(executor = notes("first"))]
#[with_process(executor = notes("second"))]
fn panics() {
    note("body");
    panic!("the expected panic");
}

#[test]
fn processes_stop_in_reverse_order() {
    let order = "first+, second+, body, second-, first-";
    let all = Notes::new();
    assert_eq!(returns_early(), 1);
    assert_eq!(all.text(), order);

    let all = Notes::new();
    fails().expect_err("no number");
    assert_eq!(all.text(), order);

    let all = Notes::new();
    assert_eq!(panic_of(panics), "the expected panic");
    assert_eq!(all.text(), order);
}

#[with_process(executor = notes("first"))]
#[with_process(executor = ends("second", 3))]
fn passes_otherwise() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[with_process(executor = notes("first"))]
#[with_process(executor = ends("second", 3))]
#[with_process(executor = ends("third", 4))]
fn panics_before() {
    panic!("the expected panic");
}

#[test]
fn a_failed_stop_fails_a_passing_test() {
    let all = Notes::new();
    let reported = panic_of(passes_otherwise);
    assert!(
        reported.contains("ended with an unexpected exit code"),
        "{reported}"
    );
    assert!(reported.contains("exited with code 3"), "{reported}");
    let passed = "the body of the test passed, but a stop after it failed:\n";
    assert!(reported.starts_with(passed), "{reported}");
    assert_eq!(all.text(), "first+, second+, second-, first-");
}

#[test]
fn a_failed_stop_does_not_hide_a_panic() {
    let all = Notes::new();
    assert_eq!(panic_of(panics_before), "the expected panic");
    assert_eq!(
        all.text(),
        "first+, second+, third+, third-, second-, first-"
    );
}

#[with_process(simple = "sleep 60")]
#[test]
fn a_service_ended_by_its_test_with_a_signal_is_not_a_failure(service: &SimpleExecutor) {
    service.signal(Signal::KILL).expect("the process runs");
}
