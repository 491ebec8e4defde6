//! Counts how often in a row the start of a shared fixture has failed: after the third time no other test tries.

use super::core::Core;
use crate::error::Result;
use crate::run::Failures;

/// Calls `start`, which starts these executors of one fixture, unless that has failed too often before. Passes the new
/// count to `note`. The caller has the right to start them.
pub(crate) fn count_failures(
    cores: &[&Core],
    before: &Failures,
    note: impl FnOnce(Failures),
    start: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if before.are_enough() {
        return Err(cores[0].not_tried_again(before));
    }
    let counts = || cores.iter().map(|core| core.failures().count);
    let known: Vec<_> = counts().collect();
    let started = start();
    match &started {
        Ok(()) => note(Failures::default()),
        // A mistake of the caller's does not count.
        Err(error) if counts().zip(known).any(|(now, known)| now > known) => {
            note(before.and(match cores {
                [_] => error.in_short(),
                _ => format!("{}: {}", error.subject(), error.in_short()),
            }));
        }
        Err(_) => {}
    }
    started
}

impl Core {
    /// How often in a row the start failed, for tests of this process.
    pub(crate) fn failures(&self) -> Failures {
        self.state(|state| state.failures.clone())
    }
}
