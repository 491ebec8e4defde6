//! The private directory: requested by many threads at once, and below any `TMPDIR`.

use std::{
    collections::BTreeSet,
    env,
    path::PathBuf,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use mirakuru::{Context, Executor, OutputExecutor, PidExecutor, Result, SimpleExecutor};

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

const THREADS: usize = 8;

/// Returns the paths that many threads get at once. Every thread must get one.
fn requested_at_once(ask: impl Fn() -> PathBuf + Sync) -> BTreeSet<PathBuf> {
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    ask()
                })
            })
            .collect();
        let reported = asking.into_iter().map(thread::ScopedJoinHandle::join);
        reported
            .map(|reported| reported.expect("a directory"))
            .collect()
    })
}

#[test]
fn a_service_may_lock_its_private_directory() -> Result<()> {
    let script = "import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
print('locked', flush=True)
time.sleep(60)";
    OutputExecutor::new(["python3", "-c", script, "{tmpdir}"], "^locked$").start()?;
    Ok(())
}

#[test]
fn the_threads_of_a_check_get_the_same_directory() -> Result<()> {
    // Each start is one race.
    for _ in 0..20 {
        let same = Arc::new(AtomicBool::new(false));
        let reported = Arc::clone(&same);
        let service = Executor::when("sleep 60", move |cx: &Context| {
            let directories = requested_at_once(|| cx.tmpdir());
            reported.store(
                directories == BTreeSet::from([cx.tmpdir()]),
                Ordering::Relaxed,
            );
            true
        });
        let service = service.started()?;
        assert!(
            same.load(Ordering::Relaxed),
            "the threads got several directories"
        );
        let directory = service.tmpdir();
        assert!(directory.is_dir());
        drop(service);
        assert!(!directory.exists());
    }
    Ok(())
}

#[test]
fn the_threads_of_a_test_get_the_same_directory() {
    let service = SimpleExecutor::new("sleep 60");
    let directories = requested_at_once(|| service.tmpdir());
    assert_eq!(directories, BTreeSet::from([service.tmpdir()]));
}

/// Asserts that executors work with their temporary files below `parent`.
fn assert_usable_below(parent: &std::path::Path) -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "{tmpdir}"], "^/").started()?;
    let directory = service.tmpdir();
    assert!(directory.is_dir());
    assert_eq!(directory.parent(), Some(parent));
    assert_eq!(
        service.output().text(),
        format!("{}\n", directory.display())
    );
    drop(service);
    assert!(!directory.exists());

    let writes = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], "{pidfile}").started()?;
    assert!(writes.filename().starts_with(parent));
    assert!(writes.filename().exists());
    Ok(())
}

#[test]
fn a_relative_tmpdir_starts_from_the_tests_directory() -> Result<()> {
    if !is_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("relative")).expect("own directory");
        alone(
            "private_directory::a_relative_tmpdir_starts_from_the_tests_directory",
            "",
            |command| _ = command.env("TMPDIR", "relative").current_dir(&directory),
        );
        let left = std::fs::read_dir(directory.path().join("relative"));
        assert_eq!(left.expect("own directory").count(), 0);
        return Ok(());
    }
    let here = env::current_dir().expect("the directory exists");
    assert_usable_below(&here.join("relative"))
}

#[test]
fn an_empty_tmpdir_is_ignored() -> Result<()> {
    if !is_alone() {
        alone(
            "private_directory::an_empty_tmpdir_is_ignored",
            "",
            |command| _ = command.env("TMPDIR", ""),
        );
        return Ok(());
    }
    assert_usable_below("/tmp".as_ref())
}

/// Returns a service whose private directory is below this parent.
fn service_in(parent: &std::path::Path) -> SimpleExecutor {
    SimpleExecutor::new("touch {tmpdir}/file").tmpdir_in(parent)
}

#[test]
fn the_parent_directory_can_be_set() -> Result<()> {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let service = service_in(parent.path()).started()?;
    assert_eq!(service.tmpdir().parent(), Some(parent.path()));
    drop(service);
    assert_eq!(
        std::fs::read_dir(parent.path()).expect("it exists").count(),
        0
    );
    Ok(())
}

#[test]
fn a_missing_parent_directory_is_named() {
    let service = service_in("/there/is/none".as_ref());
    let text = mirakuru_tests::error_text::error_of(service.start()).to_string();
    assert!(
        text.contains("make a temporary directory in /there/is/none: No such file"),
        "{text}"
    );
}

#[test]
fn a_kept_directory_is_not_removed() -> Result<()> {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let unused = SimpleExecutor::new("true")
        .tmpdir_in(parent.path())
        .keep_tmpdir(true);
    let directories = [
        unused.tmpdir(),
        service_in(parent.path())
            .keep_tmpdir(true)
            .started()?
            .tmpdir(),
    ];
    drop(unused);
    for directory in directories {
        assert!(directory.is_dir(), "{}", directory.display());
    }
    Ok(())
}
