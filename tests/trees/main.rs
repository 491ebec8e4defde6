//! What becomes of process trees: nothing outlives its executor, nor the test process, however it
//! ends. A file per behaviour; the last three serve the others.
#![cfg(target_os = "linux")]

mod descriptors;
mod endings;
mod entry;
mod forks;
mod frozen;
mod hostile;
mod kept;
mod limits;
mod protected;
mod runners;
mod signals_to_all;
mod threads;
mod users;
mod users_against_root;
mod whose_end;

mod processes;
mod stubborn;
mod victim;

/// The program of every service; its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The program of every other test process (see `test_processes/main.rs`).
const TEST_PROCESS: &str = env!("CARGO_BIN_EXE_test_processes");
