//! Finds the run that a test belongs to: its runner, the directory of what the run shares, and the scope of a fixture.

mod kept;
mod leftovers;
mod place;
mod runner;

pub(crate) use kept::{kept, list_kept};
pub(crate) use leftovers::sweep_once;
pub(crate) use place::{InUse, RunPlace, in_use, supervisors};
pub(crate) use runner::{Kind, find};

/// The number of failed starts of a fixture in a row, for the tests that share it.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    /// The reason of the last failure, in one line.
    pub(crate) why: String,
}

impl Failures {
    /// The number of tests that try a start that fails, one after the other.
    const MOST: u32 = 3;

    /// Returns whether no further test tries the start.
    pub(crate) fn are_enough(&self) -> bool {
        self.count >= Self::MOST
    }

    /// Returns the failures with one more.
    pub(crate) fn and(&self, why: String) -> Self {
        let count = self.count + 1;
        Self { count, why }
    }
}

/// The tests that have a fixture in common.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    /// All tests of this process.
    Process,
    /// All tests of the run. The fixture has this name.
    Run(&'static str),
}
