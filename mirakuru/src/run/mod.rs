//! Finds the run that a test belongs to: its runner, the place of what it shares, and the scope of a fixture.

mod kept;
mod place;
mod runner;

pub(crate) use kept::{kept, list_kept};
pub(crate) use place::{InUse, RunPlace, in_use, supervisors, sweep_once};
pub(crate) use runner::{Kind, find};

/// Which tests have a fixture in common.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Process,
    /// By this name.
    Run(&'static str),
}
