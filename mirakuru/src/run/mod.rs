//! Finds the run that a test belongs to: its runner, the place of what it shares, and the scope of a fixture.

mod place;
mod runner;
mod scope;

pub(crate) use place::{RunPlace, supervisors};
pub(crate) use runner::{Kind, Runner, find};
pub(crate) use scope::Scope;
