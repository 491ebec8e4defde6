//! Finds the run that a test belongs to: its runner, the place of what it shares, and the scope of a fixture.

mod kept;
mod leftovers;
mod place;
mod runner;

pub(crate) use kept::{kept, list_kept};
pub(crate) use leftovers::sweep_once;
pub(crate) use place::{InUse, RunPlace, in_use, supervisors};
pub(crate) use runner::{Kind, find};

/// How often in a row the start of a fixture failed, for the tests that share it.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    /// Why the last one did, in one line.
    pub(crate) why: String,
}

impl Failures {
    /// How many tests, one after the other, try a start that fails.
    const MOST: u32 = 3;

    /// Returns whether no other test tries.
    pub(crate) fn are_enough(&self) -> bool {
        self.count >= Self::MOST
    }

    /// Counts one more failure.
    pub(crate) fn and(&self, why: String) -> Self {
        let count = self.count + 1;
        Self { count, why }
    }
}

/// Which tests have a fixture in common.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Process,
    /// By this name.
    Run(&'static str),
}
