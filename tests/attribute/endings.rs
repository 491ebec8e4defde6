//! However a body ends, its processes are stopped, the last one first; a stop that fails, fails what
//! passed otherwise, and a second failure never takes the place of the first.

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
    panic!("as it has to");
}

#[test]
fn they_stop_in_reverse() {
    let order = "first+, second+, body, second-, first-";
    let all = Notes::new();
    assert_eq!(returns_early(), 1);
    assert_eq!(all.text(), order);

    let all = Notes::new();
    fails().expect_err("no number");
    assert_eq!(all.text(), order);

    let all = Notes::new();
    assert_eq!(panic_of(panics), "as it has to");
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
    panic!("as it has to");
}

#[test]
fn a_stop_that_fails_fails_what_passed() {
    let all = Notes::new();
    let reported = panic_of(passes_otherwise);
    assert!(
        reported.contains("ended otherwise than expected"),
        "{reported}"
    );
    assert!(reported.contains("exited with code 3"), "{reported}");
    let passed = "the body of the test passed, but a stop after it failed:\n";
    assert!(reported.starts_with(passed), "{reported}");
    assert_eq!(all.text(), "first+, second+, second-, first-");
}

#[test]
fn a_stop_that_fails_does_not_hide_a_panic() {
    let all = Notes::new();
    assert_eq!(panic_of(panics_before), "as it has to");
    assert_eq!(
        all.text(),
        "first+, second+, third+, third-, second-, first-"
    );
}

#[with_process(simple = "sleep 60")]
#[test]
fn a_service_that_its_test_ended_by_a_signal_is_no_failure(service: &SimpleExecutor) {
    service.signal(Signal::KILL).expect("it runs");
}
