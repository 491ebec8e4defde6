//! Runs in namespaces of their own, next to other runs in the same temporary directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::run::{Run, Running, passes};

/// Returns the command with these words before its program.
fn wrapped(words: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(words[0]);
    wrapped.args(&words[1..]).arg(command.get_program());
    wrapped.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// Starts a run whose tests hang after they have used the service.
fn hanging(run: &Run, mut command: Command, temporary: &Path) -> Running {
    let child = command.env("TMPDIR", temporary).spawn().expect("a runner");
    let mut running = Running(child);
    while run.uses().0 == 0 {
        let ended = running.0.try_wait().expect("a child");
        assert!(ended.is_none(), "the runner ended before its tests began");
        thread::yield_now();
    }
    running
}

/// Returns the directories of runs.
fn runs(temporary: &Path) -> Vec<PathBuf> {
    let of_user = fs::read_dir(temporary).expect("own directory");
    let entries = of_user.filter_map(|entry| fs::read_dir(entry.ok()?.path()).ok());
    let paths = entries
        .flatten()
        .map(|entry| entry.expect("own directory").path());
    let is_run = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"run-"))
    };
    paths.filter(is_run).collect()
}

#[test]
#[cfg_attr(
    not(time_namespaces),
    ignore = "needs the right to make time namespaces"
)]
fn a_run_in_a_time_namespace_leaves_other_runs_alone() {
    let (run, other) = (Run::new(), Run::new());
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    let running = hanging(&run, run.nextest("hangs"), &temporary);
    let before = runs(&temporary);
    assert_eq!(before.len(), 1, "{before:?}");

    let words = ["unshare", "--time", "--boottime", "9999", "--fork"];
    let mut at_another_time = wrapped(&words, &other.nextest("uses_it"));
    at_another_time.env("TMPDIR", &temporary);
    passes(at_another_time);
    assert_eq!((other.starts(), other.uses().1), (1, 1));
    assert!(before[0].exists(), "its directory was removed");
    assert!(run.is_in_use());
    drop(running);
    assert!(run.is_gone() && other.is_gone());
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs the right to make namespaces")]
fn the_next_start_removes_directories_of_a_killed_container() {
    let (run, next) = (Run::new(), Run::new());
    let temporary = run.path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    let start = || {
        let mut start = next.nextest("has_its_own_0");
        start.env("TMPDIR", &temporary);
        passes(start);
    };
    // The runner is the first process of its container, like the entry point of an image.
    let words = ["unshare", "--pid", "--kill-child", "--fork", "--mount-proc"];
    let running = hanging(&run, wrapped(&words, &run.nextest("hangs")), &temporary);
    let left = runs(&temporary);
    assert_eq!(left.len(), 1, "{left:?}");
    start();
    assert!(left[0].exists(), "it is in use");
    drop(running);
    assert!(run.is_gone());
    assert!(left[0].exists(), "no process is left to remove it");
    start();
    assert!(!left[0].exists());
}
