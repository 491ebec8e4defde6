//! A second test binary of the same run.
#![cfg(target_os = "linux")]

mod exports_in_a_run;
