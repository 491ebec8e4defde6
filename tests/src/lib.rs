//! What several suites of these tests share.
//!
//! The services (`programs/`) do without it: they would link the library that is tested.
#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

pub mod bounds;
pub mod cargo;
pub mod hold;
pub mod told;
