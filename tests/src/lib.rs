//! The code that several suites of these tests share.
//!
//! The services (`programs/`) do without it: they would link the library that is tested.
#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

pub mod bounds;
pub mod cargo;
#[cfg(target_os = "linux")]
pub mod descendants;
pub mod error_text;
pub mod golden;
pub mod hold;
#[cfg(target_os = "linux")]
pub mod processor;

/// Compiles and runs the examples in the documentation of the attribute.
///
/// The attribute's own package does not: it would depend on the library, and cargo would build the library
/// and its dependencies once more, as the dependencies of a compiler plug-in have features of their own.
#[cfg(doctest)]
#[doc = include_str!("../../mirakuru-macros/src/with_process.md")]
#[derive(Debug)]
pub struct Attribute;
