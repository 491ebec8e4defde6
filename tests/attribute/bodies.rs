//! The value or the panic of a body reaches the caller unchanged.

use std::{
    any::Any,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
};

use mirakuru::with_process;

/// Returns the message of the panic of `run`.
#[track_caller]
pub(crate) fn panic_of<T>(run: impl FnOnce() -> T) -> String {
    let payload = payload_of(run);
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .expect("the payload is text")
}

/// Returns the payload of the panic of `run`.
#[track_caller]
fn payload_of<T>(run: impl FnOnce() -> T) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    }
}

#[with_process(simple = "sleep 60")]
fn gives_a_value() -> Vec<u8> {
    vec![1, 2, 3]
}

#[with_process(simple = "sleep 60")]
fn returns_early() -> &'static str {
    for word in ["early", "late"] {
        if word.starts_with('e') {
            return word;
        }
    }
    "never"
}

#[with_process(simple = "sleep 60")]
fn fails_early() -> Result<i32, Box<dyn Error>> {
    let number: i32 = "no number".parse()?;
    Ok(number)
}

#[with_process(simple = "sleep 60")]
fn succeeds() -> Result<i32, Box<dyn Error>> {
    let number: i32 = "41".parse()?;
    Ok(number + 1)
}

#[with_process(simple = "sleep 60")]
fn panics_with_a_number() {
    panic_any(42_u8);
}

#[with_process(simple = "sleep 60")]
fn never_returns() -> ! {
    panic!("the expected panic");
}

#[test]
fn values_are_returned_unchanged() {
    assert_eq!(gives_a_value(), [1, 2, 3]);
    assert_eq!(returns_early(), "early");
    assert_eq!(succeeds().expect("a number"), 42);
    let error = fails_early().expect_err("no number");
    assert_eq!(error.to_string(), "invalid digit found in string");
}

#[test]
fn panics_are_resumed_unchanged() {
    let payload = payload_of(panics_with_a_number);
    assert_eq!(payload.downcast_ref::<u8>(), Some(&42));
    assert_eq!(panic_of(|| never_returns()), "the expected panic");
}
