//! Removes what dead runs and killed processes left next to the lock files of ports. Each start calls it.
//!
//! A run is over when its runner has ended. The state of a runner in another namespace is not known here. In that case
//! the lock decides that each process holds on the run's directory while it uses it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::locks::{FileLock, existing_lock_directory};
use crate::sys::{self, Pid};

/// Removes what dead runs have left next to the lock files, once in each process. Calls `also` for the remaining files.
pub(crate) fn sweep_once(also: impl FnOnce(&Path)) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    // This is not a lock: a child that is forked meanwhile would wait for it for ever.
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(locks) = existing_lock_directory() {
        sweep(&locks);
        also(&locks);
        // The directory is removed only if it is empty. A process that needs it makes it again.
        let _ = fs::remove_dir(locks);
    }
}

/// The prefixes of files that are removed with the lock on them, unless their process is killed.
const PASSING: [&str; 2] = ["slot-", "queue-"];

/// Removes the directories of runs that are over, and the files of processes that were killed.
pub(super) fn sweep(locks: &Path) {
    let entries = fs::read_dir(locks).into_iter().flatten().flatten();
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_str().unwrap_or_default();
        if PASSING.iter().any(|kind| name.starts_with(kind)) {
            // The drop removes the file with the lock, unless another process holds the lock.
            drop(FileLock::try_take_passing(&path));
        }
        let Some((of_run, pid, started)) = run_of(name) else {
            continue;
        };
        // The lock keeps out a process that begins to use the directory now.
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

/// Returns whether the runner has ended, or its pid belongs to another process now. If the system cannot decide, the
/// runner counts as alive.
fn is_another(pid: Pid, started: u64) -> bool {
    sys::started_at(pid).map_or_else(|| sys::has_ended(pid), |now| now != started)
}

/// Returns the namespaces, the pid and the start time of the runner that a directory is named after.
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
    fn only_what_dead_runs_left_is_removed() {
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
        // The directory of a runner that has ended.
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
            "a directory of a live runner, or in use, stays"
        );
        assert!(!go.iter().any(left));
    }
}
