//! Tests what the library promises on every system. The suite needs no more of a system than the library does.

use std::time::Duration;

use mirakuru::{Error, OutputExecutor};
use mirakuru_everywhere::{life::Life, service};

mod attribute;
mod endings;
mod errors;
mod kinds;
mod options;
mod ports;
mod sharing;
mod stopping;
mod test_process;

/// A bound for events that happen at once, even in an emulator. It is shorter than any deadline of the library.
const NOW: Duration = Duration::from_secs(8);

/// Returns a service that is ready when it prints `ready`, and then waits.
fn waits(steps: &[&str]) -> OutputExecutor {
    OutputExecutor::new(
        service(&[steps, &["say=ready", "wait"]].concat()),
        "^ready$",
    )
}

/// Returns a service with a child, a grandchild and a daemon.
fn tree(life: &Life) -> OutputExecutor {
    waits(&[&life.step(), "tree=2", "daemon"])
}

/// The number of processes of a [`tree`].
const WHOLE: usize = 4;

#[track_caller]
fn error_of<T>(outcome: mirakuru::Result<T>) -> Error {
    match outcome {
        Ok(_) => panic!("no error"),
        Err(error) => error,
    }
}

/// Fails unless the text contains each of these parts.
#[track_caller]
fn assert_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}
