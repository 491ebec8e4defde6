//! Ports: leases on free ones, conflicts over fixed ones, and listeners outside of the tree.
//!
//! There is a file per behaviour. The last three modules are helpers for the others.
#![cfg_attr(
    not(target_os = "linux"),
    allow(unused_imports, dead_code, reason = "some tests are for Linux alone")
)]

mod annotated;
mod directory;
mod fail;
mod free;
mod named;
mod reuse;
mod strangers;
mod wait;

mod holder;
mod silent;
mod stranger;

/// The program of every service. Its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The program of every other test process (see `test_processes/main.rs`).
const TEST_PROCESS: &str = env!("CARGO_BIN_EXE_test_processes");
