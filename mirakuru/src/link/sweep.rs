//! The second line of defence: a supervisor was killed, so its word is missing. The kernel killed
//! the service with it; whatever else carries the tree's mark is found and killed here, by the test
//! process.

use std::time::Duration;

use crate::protocol::{KILL_BOUND, MARK};
use crate::sys::{self, Pid, Process};
use crate::wait::{self, Deadline};

const PAUSE: Duration = Duration::from_millis(10);

/// Kills what carries the mark of this supervisor until nothing does; gives what was found.
pub(super) fn sweep(name: &str) -> Vec<(u32, String)> {
    let mark = format!("{MARK}={name}");
    let deadline = Deadline::after(KILL_BOUND);
    let mut swept = Vec::new();
    let mut tried = false;
    loop {
        let found = sys::marked(&mark);
        if found.is_empty() || deadline.has_passed() {
            return swept;
        }
        // Never twice without a pause: what may not be killed stays.
        if std::mem::replace(&mut tried, true) {
            wait::pause(PAUSE);
        }
        for pid in found {
            if let Some(command) = kill_marked(pid, &mark) {
                swept.push((sys::number_of(pid), command));
            }
        }
    }
}

/// Removes the shared memory of a main process that was killed. Those that it started may use that until they miss it.
pub(super) fn sweep_shared_memory(pid: u32, begun: Duration) {
    let deadline = Deadline::after(Duration::from_secs(1));
    let main = sys::process_of(pid).map(|main| (main, sys::wall_clock()));
    while sys::remove_shared_memory(main.as_slice(), begun) && !deadline.has_passed() {
        wait::pause(PAUSE);
    }
}

/// Opens the process, looks at it again, and then kills it: another process may have been given the pid since.
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
        let child = command.spawn().expect("coreutils");
        // The kernel shows the environment a moment after the program has begun.
        let pid = sys::process_of(child.id()).expect("a pid");
        while !sys::carries(pid, &format!("{MARK}={mark}")) {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn what_carries_the_mark_is_killed_and_named_at_once() {
        let name = format!("a sweep of {}", std::process::id());
        let mut child = sleeper(&name);
        let begun = Instant::now();
        let swept = sweep(&name);
        assert_eq!(swept, [(child.id(), "sleep 60".to_owned())]);
        assert!(!child.wait().expect("a child").success());
        assert_eq!(sweep(&name), []);
        assert!(begun.elapsed() < KILL_BOUND, "nothing is left to wait for");
    }

    /// The pid may have been given to it after the first look.
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
