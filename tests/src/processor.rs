//! Processor time of processes, and other facts from `/proc/PID/stat` (`proc_pid_stat(5)`).

use std::fs;

/// Returns the fields after the name, which begin with the state and the pid of the parent.
#[must_use]
pub fn fields(pid: &str) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    after_name.split(' ').map(str::to_owned).collect()
}

/// Returns the pid of a process's parent.
#[must_use]
pub fn parent_of(pid: u32) -> u32 {
    fields(&pid.to_string())[1].parse().expect("a pid")
}

/// Returns the processor time that a process has used, in ticks of a hundredth of a second.
#[must_use]
pub fn ticks(pid: &str) -> u64 {
    let ticks = &fields(pid)[11..13];
    ticks
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum()
}
