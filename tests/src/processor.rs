//! Processor time of processes.

use std::fs;

/// Returns the processor time that a process has used, in ticks of a hundredth of a second (`proc_pid_stat(5)`).
#[must_use]
pub fn ticks(pid: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = after_name.split(' ').skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum()
}
