//! What becomes of process trees: nothing outlives its executor, nor the test process, however it
//! ends. A file per behaviour; the last three are what they share.
#![cfg(target_os = "linux")]

mod descriptors;
mod endings;
mod entry;
mod hostile;
mod limits;
mod runners;
mod threads;
mod users;
mod whose_end;

mod hold;
mod processes;
mod victim;
