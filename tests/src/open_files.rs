//! Limits on the open files of processes.

use std::{fs, process::Command};

/// Sets the limit on open files of a process, in the form of `prlimit(1)`: `SOFT:` keeps the hard limit.
pub fn limit_open_files(pid: &str, limit: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", pid, &format!("--nofile={limit}")]);
    assert!(prlimit.status().expect("util-linux").success());
}

/// Returns the lowest number that no descriptor of a process has. A limit of this number leaves no free descriptor.
#[must_use]
pub fn lowest_free_descriptor(pid: &str) -> u32 {
    let is_free = |number: &u32| !fs::exists(format!("/proc/{pid}/fd/{number}")).expect("procfs");
    (0..1 << 20).find(is_free).expect("a number")
}
