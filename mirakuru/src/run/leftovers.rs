//! What dead runs and killed processes left beside the locks of ports: the next start removes it.
//!
//! A run is over if its runner is. Of a runner in another namespace nothing is known here: then the lock decides that each
//! process has on the directory which uses it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::locks::{FileLock, existing_lock_directory};
use crate::sys::{self, Pid};

/// Removes what runs that are gone have left beside the locks, once in each process, and calls `also` for the rest.
pub(crate) fn sweep_once(also: impl FnOnce(&Path)) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    // No lock: a child that is forked meanwhile would wait for ever.
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(locks) = existing_lock_directory() {
        sweep(&locks);
        also(&locks);
        // If nothing else is left in it. A process that needs it makes it again.
        let _ = fs::remove_dir(locks);
    }
}

/// What the names of files begin with that go with the lock on them, unless their process is killed.
const PASSING: [&str; 2] = ["slot-", "queue-"];

/// Removes the directories of runs that are over, and the files of processes that were killed.
pub(super) fn sweep(locks: &Path) {
    let entries = fs::read_dir(locks).into_iter().flatten().flatten();
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_str().unwrap_or_default();
        if PASSING.iter().any(|kind| name.starts_with(kind)) {
            // Removed with the lock, unless a process has that.
            drop(FileLock::try_take_passing(&path));
        }
        let Some((of_run, pid, started)) = run_of(name) else {
            continue;
        };
        // The lock keeps a process out that begins to use it now.
        let unused = || sys::lock_directory(&path, sys::try_lock).ok().flatten();
        let (is_over, _unused) = if sys::namespaces() == of_run {
            (is_another(pid, started), None)
        } else {
            let unused = unused();
            (unused.is_some(), unused)
        };
        if is_over {
            let _ = sys::remove_lockable(&path);
        }
    }
}

/// Whether the runner is gone, or its pid is another process's by now. If the system cannot say, it lives.
fn is_another(pid: Pid, started: u64) -> bool {
    sys::started_at(pid).map_or_else(|| sys::has_ended(pid), |now| now != started)
}

/// The namespaces, the pid and the start of the runner that a directory is named after.
fn run_of(name: &str) -> Option<([u64; 2], Pid, u64)> {
    let numbers = name.strip_prefix("run-")?.split('-').map(str::parse);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    let [pids, times, pid, started] = numbers[..] else {
        return None;
    };
    let pid = sys::process_of(pid.try_into().ok()?)?;
    Some(([pids, times], pid, started))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::place::in_use;
    use super::*;
    use crate::loopback::program_that_ends;

    #[test]
    fn what_dead_runs_left_is_removed_and_the_rest_stays() {
        let locks = tempfile::tempdir().expect("a temporary directory");
        let own = sys::started_at(Pid::this()).expect("procfs");
        let of = |[pids, times]: [u64; 2], started| {
            let name = format!("run-{pids}-{times}-{}-{started}", Pid::this());
            locks.path().join(name)
        };
        let [pids, times] = sys::namespaces();
        let (alive, dead) = (of([pids, times], own), of([pids, times], own + 1));
        let (elsewhere, at_another_time) = (of([pids + 1, times], 1), of([pids, times + 1], 1));
        let unused = [of([pids + 1, times], 2), of([pids, times + 1], 2)];
        let other = locks.path().join("port-1");
        // Of a runner that has ended.
        let mut ended = program_that_ends().spawn().expect("this program");
        ended.wait().expect("a child");
        let ended = format!("run-{pids}-{times}-{}-1", ended.id());
        let ended = locks.path().join(ended);
        let stay = [&alive, &elsewhere, &at_another_time, &other];
        let go = [&dead, &ended, &unused[0], &unused[1]];
        for path in stay.iter().chain(&go) {
            fs::create_dir(path).expect("own directory");
        }
        let used = [&elsewhere, &at_another_time].map(|path| in_use(path).expect("own directory"));
        assert!(used.iter().all(Option::is_some));
        sweep(locks.path());
        let left = |path: &&PathBuf| path.exists();
        assert!(
            stay.iter().all(left),
            "what lives, or is used, is left alone"
        );
        assert!(!go.iter().any(left));
    }
}
