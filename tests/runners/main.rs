//! What a whole run shares, under real runners: started once, and gone with the runner, however that
//! ends.
#![cfg(target_os = "linux")]

mod cargo;
mod clients;
mod ends;
mod run;
mod shared;
mod unknown;
