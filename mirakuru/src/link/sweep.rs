//! Sweeps the tree of a supervisor that was killed.
//!
//! This is the second line of defence: such a supervisor cannot report that its tree is gone. The kernel killed the
//! service with it. The test process finds every other process that carries the tree's mark, and kills it.

use std::time::Duration;

use crate::protocol::{KILL_BOUND, MARK};
use crate::sys::{self, Pid, Process};
use crate::wait::{self, Deadline};

const PAUSE: Duration = Duration::from_millis(10);

/// Kills processes until none carries the mark of this supervisor. Returns the processes found.
pub(super) fn sweep(name: &str) -> Vec<(u32, String)> {
    let mark = format!("{MARK}={name}");
    let deadline = Deadline::after(KILL_BOUND);
    let mut swept = Vec::new();
    let mut tried = false;
    loop {
        let found = sys::marked(&mark);
        if found.as_ref().is_ok_and(Vec::is_empty) || deadline.has_passed() {
            return swept;
        }
        // A pause comes before each further pass, as a process that we may not kill stays in the list.
        if std::mem::replace(&mut tried, true) {
            wait::pause(PAUSE);
        }
        // Without a free descriptor, the processes cannot be listed. Another thread may close one.
        for pid in found.unwrap_or_default() {
            if let Some(command) = kill_marked(pid, &mark) {
                swept.push((sys::number_of(pid), command));
            }
        }
    }
}

/// Removes the shared memory of a main process that was killed. Processes that it started may use that memory until
/// they notice its end.
pub(super) fn sweep_shared_memory(pid: u32, begun: Duration) {
    let deadline = Deadline::after(Duration::from_secs(1));
    let main = sys::process_of(pid).map(|main| (main, sys::wall_clock()));
    while sys::remove_shared_memory(main.as_slice(), begun) && !deadline.has_passed() {
        wait::pause(PAUSE);
    }
}

/// Kills a process if it still carries the mark. The process is opened first and checked again: the pid may have been
/// given to another process since.
fn kill_marked(pid: Pid, mark: &str) -> Option<String> {
    let process = Process::open(pid).ok()?;
    let command = sys::command_line(pid);
    if !sys::carries(pid, mark) || process.kill().is_err() {
        return None;
    }
    process.ended_within(Duration::from_secs(1));
    Some(command)
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Child, Command};
    use std::time::Instant;

    use super::*;

    fn sleeper(mark: &str) -> Child {
        let mut command = Command::new("sleep");
        let command = command.arg("60").env(MARK, mark);
        command.spawn().expect("coreutils")
    }

    #[test]
    fn marked_processes_are_killed_and_reported_at_once() {
        let name = format!("a sweep of {}", std::process::id());
        let mut child = sleeper(&name);
        let begun = Instant::now();
        let swept = sweep(&name);
        assert_eq!(swept, [(child.id(), "sleep 60".to_owned())]);
        assert!(!child.wait().expect("a child").success());
        assert_eq!(sweep(&name), []);
        assert!(begun.elapsed() < KILL_BOUND, "nothing is left to wait for");
    }

    /// Simulates a pid that was given to this process after the first look.
    #[test]
    fn a_process_with_another_mark_is_not_killed() {
        let mut child = sleeper("another one");
        let pid = sys::process_of(child.id()).expect("a pid");
        let killed = kill_marked(pid, &format!("{MARK}=this one"));
        let is_alive = child.try_wait().expect("a child").is_none();
        child.kill().and_then(|()| child.wait()).expect("a child");
        assert_eq!((killed, is_alive), (None, true));
    }
}
