//! Bounds that tell "at once" from "at the deadline", and a test that fails from one that hangs.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Later than anything takes, and sooner than any deadline.
const SOON: Duration = Duration::from_secs(20);

/// Runs what is to return at once, and not at a deadline, all of which are later than this bound.
#[track_caller]
pub fn at_once<T>(run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = run();
    let elapsed = begin.elapsed();
    assert!(elapsed < SOON, "it took {elapsed:?}");
    outcome
}

/// Fails where this does not come to an end; a test that hangs would hold up all others.
#[track_caller]
pub fn comes_to_an_end<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(run()));
    let outcome = receive.recv_timeout(SOON);
    outcome.expect("it comes to an end")
}
