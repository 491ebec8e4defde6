//! A service that resists its end.

use mirakuru_tests::hold::command_holding;

use crate::PROGRAM;

/// The arguments for a main process with a daemon. The daemon is in a session of its own, has an empty environment and
/// ignores SIGTERM, so only the supervisor finds it. Both processes hold the descriptors that they inherit.
pub(crate) const ARGS: [&str; 4] = ["leaves_daemon", "--scrub", "--ignore-term", "--main-stays"];

/// Returns a command for the service, which holds the pipe at this path.
pub(crate) fn service(pipe: &str) -> Vec<String> {
    command_holding(pipe, &[&[PROGRAM][..], &ARGS].concat())
}
