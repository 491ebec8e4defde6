//! The lifetime of process trees: no process outlives its executor or the test process, regardless of how they end.
//! Each file covers one behaviour. The last three modules are helpers.
#![cfg(target_os = "linux")]

mod descriptors;
mod endings;
mod entry;
mod forks;
mod frozen;
mod hostile;
mod kept;
mod limits;
mod owners;
mod protected;
mod runners;
mod signals_to_all;
mod threads;
mod users;
mod users_against_root;

mod processes;
mod stubborn;
mod victim;

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The program of every other test process (see `test_processes/main.rs`).
const TEST_PROCESS: &str = env!("CARGO_BIN_EXE_test_processes");
