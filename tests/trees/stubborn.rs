//! A service that is hard to end.

use mirakuru_tests::hold::command_holding;

use crate::PROGRAM;

/// A main process with a daemon in a session of its own, with nothing in its environment, that ignores
/// what asks it to end: only its supervisor finds it. Both hold what they inherit.
pub(crate) const MANNER: [&str; 4] = ["leaves_daemon", "--scrub", "--ignore-term", "--main-stays"];

/// A command for it, with the pipe of this path.
pub(crate) fn service(pipe: &str) -> Vec<String> {
    command_holding(pipe, &[&[PROGRAM][..], &MANNER].concat())
}
