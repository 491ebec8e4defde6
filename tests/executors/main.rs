//! The executors against real programs. The tests show when each executor is ready, how it fails, what its error
//! reports, and every option and call.
//!
//! There is a file per behaviour. The last module is a helper for the others.
#![cfg_attr(
    not(target_os = "linux"),
    allow(unused_imports, dead_code, reason = "some tests are for Linux alone")
)]

mod already_running;
mod asking;
mod banners;
mod bare_systems;
mod blocking_checks;
mod checks;
mod commands;
mod conversions;
mod deaths;
mod diagnostics;
mod drops;
mod environment;
mod execs;
mod exit_codes;
mod exit_zero;
mod fallbacks;
mod floods;
mod golden;
mod http;
#[cfg(feature = "https")]
mod https;
mod identity;
mod input;
mod invalid_config;
mod kernel;
mod life;
mod log_files;
mod long_paths;
mod names;
mod notices;
mod outages;
mod output;
mod patience;
mod peers;
mod pid_files;
mod placeholders;
mod ports_in_banners;
mod private_directory;
mod protocols;
mod ready;
mod reopened_output;
mod restarts;
mod runtimes;
mod shared;
mod signals;
mod size_limit;
mod slow_stops;
mod sockets;
mod spawning;
mod streams;
mod timeouts;
mod together;
mod unfinished;
mod unpassed_ports;
mod waits;

mod rerun;

/// The program of every service. Its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
