//! Code that several test suites share.
//!
//! The services (`programs/`) do not use it, because it links the library under test.
#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

pub mod bounds;
pub mod cargo;
#[cfg(target_os = "linux")]
pub mod descendants;
pub mod error_text;
pub mod golden;
pub mod hold;
#[cfg(target_os = "linux")]
pub mod open_files;
#[cfg(target_os = "linux")]
pub mod processor;

/// Compiles and runs the examples in the documentation of the attribute.
///
/// The package of the attribute does not run them. It would need a dependency on the library, and cargo would build the
/// library and its dependencies a second time, because the dependencies of a proc macro have separate features.
#[cfg(doctest)]
#[doc = include_str!("../../mirakuru-macros/src/with_process.md")]
#[derive(Debug)]
pub struct Attribute;
