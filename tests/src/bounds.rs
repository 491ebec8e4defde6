//! Bounds in time. They distinguish a call that returns at once from one that returns at its deadline, and turn a hang
//! into a failure.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Longer than any call that returns at once, and shorter than any deadline in the tests.
const SOON: Duration = Duration::from_secs(20);

/// Runs a function that must return at once, not at a deadline. Every deadline in the tests is later than this bound.
#[track_caller]
pub fn at_once<T>(run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = run();
    let elapsed = begin.elapsed();
    assert!(elapsed < SOON, "it took {elapsed:?}");
    outcome
}

/// Runs a function in a thread and fails if it does not return. A test that hangs would delay all others.
#[track_caller]
pub fn comes_to_an_end<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(run()));
    let outcome = receive.recv_timeout(SOON);
    outcome.expect("the function returns")
}
