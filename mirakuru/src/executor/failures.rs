//! Counts the failed starts of a shared fixture in a row. After the third failure, no other test starts the fixture.

use super::core::Core;
use crate::error::Result;
use crate::run::Failures;

/// Calls `start`, which starts these executors of one fixture. Returns an error instead if the start has failed too
/// often. Passes the new count to `note`. The caller has the right to start the executors.
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
        // Only an error that an executor has counted as a failed start counts: a mistake in the configuration does not.
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
    /// Returns how often in a row the start has failed in this process.
    pub(crate) fn failures(&self) -> Failures {
        self.state(|state| state.failures.clone())
    }
}
