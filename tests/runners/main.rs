//! Services that a whole run shares, under real runners. A service is started once, and is gone when the runner is
//! gone, regardless of how the runner ends.
#![cfg(target_os = "linux")]

mod clients;
mod ends;
mod namespaces;
mod run;
mod shared;
mod unknown;

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The program of the test processes that are not tests.
const TEST_PROCESS: &str = env!("CARGO_BIN_EXE_test_processes");
