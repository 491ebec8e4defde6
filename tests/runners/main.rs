//! What a whole run shares, under real runners: started once, and gone with the runner, however that
//! ends.
#![cfg(target_os = "linux")]

mod clients;
mod ends;
mod namespaces;
mod run;
mod shared;
mod unknown;

/// The program of every service; its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
