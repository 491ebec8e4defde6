//! A second test binary of the same run.
#![cfg(target_os = "linux")]

#[path = "in_a_run.rs"]
mod in_a_run;
