//! What becomes of process trees: nothing outlives its executor, nor the test process, however it
//! ends. A file per behaviour; the last four are what they share.
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

mod hold;
mod processes;
mod stubborn;
mod victim;
