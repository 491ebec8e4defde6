//! A second test binary for the run of `exports_in_a_run`.
#![cfg(target_os = "linux")]

mod exports_in_a_run;
