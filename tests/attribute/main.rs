//! Tests of the attribute: every kind and option, every test harness, and every way in which a test ends.
//!
//! Each file covers one subject. The last two modules are helpers of the others.

mod bodies;
mod cancelled;
mod endings;
mod kinds;
mod locks;
mod on_rstest;
mod on_serial;
mod on_test_case;
mod on_tokio;
mod options;
mod reports;
mod several;
mod shared;
mod signatures;
mod strict;
mod times;
mod together;

mod recorded;
mod rerun;

/// The program of every service; its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
