//! What becomes of process trees: nothing outlives its executor, nor the test process, however it
//! ends. A file per behaviour; the last five are what they share.
#![cfg(target_os = "linux")]

mod descriptors;
mod endings;
mod entry;
mod forks;
mod frozen;
mod hostile;
mod limits;
mod protected;
mod runners;
mod signals_to_all;
mod threads;
mod users;
mod whose_end;

#[path = "../runners/cargo.rs"]
mod cargo;
mod hold;
mod processes;
mod stubborn;
mod victim;
