//! A limit on the size of files in the test process (`ulimit -f`). Output beyond the limit is lost, and the error
//! reports it. The supervisor ends the tree as usual.
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};
use nix::sys::resource::{Resource, setrlimit};

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

const LIMIT: u64 = 100_000;

/// Runs the test alone, or sets the limit if this process already does. Returns whether the limit is set.
fn is_limited(test: &str) -> bool {
    if !is_alone() {
        alone(&format!("size_limit::{test}"), "", |_| {});
        return false;
    }
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT, LIMIT).expect("a lower limit");
    true
}

#[test]
fn a_tree_that_prints_beyond_the_limit_runs_on_and_is_stopped() -> Result<()> {
    if !is_limited("a_tree_that_prints_beyond_the_limit_runs_on_and_is_stopped") {
        return Ok(());
    }
    let hold = Hold::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let done = directory.path().join("done");
    // The daemon has its own session and no parent in the tree, and ignores SIGTERM.
    let service = SimpleExecutor::new(hold.script(&format!(
        "(trap '' TERM; setsid sleep 1000 &); head -c 3000000 /dev/zero; : >{}; exec sleep 1000",
        done.display()
    )));
    let service = service.shell(true).started()?;
    service.wait_for(|| done.exists())?;
    assert!(service.running());
    assert_eq!(service.output().text().len() as u64, LIMIT);
    at_once(|| service.stop())?;
    assert_eq!(service.exit_code(), Some(-15));
    assert!(hold.is_free(), "a process of the tree is left");

    fs::remove_file(&done).expect("own file");
    service.start()?.wait_for(|| done.exists())?;
    drop(service);
    assert!(hold.is_free(), "a process of the tree is left");
    Ok(())
}

#[test]
fn lost_output_is_reported() {
    if !is_limited("lost_output_is_reported") {
        return;
    }
    let command = [PROGRAM, "floods", "3000000", "--then", "the end"];
    let executor = OutputExecutor::new(command, "^the end$").timeout(Duration::from_secs(2));
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let note = "output is missing: failed to write captured output: File too large (os error 27)";
    assert!(error.to_string().contains(note), "{error}");
}

#[test]
fn a_service_receives_sigxfsz_at_its_own_limit() -> Result<()> {
    if !is_limited("a_service_receives_sigxfsz_at_its_own_limit") {
        return Ok(());
    }
    let service = OutputExecutor::new([PROGRAM, "shows_environment"], "^done$").started()?;
    let text = service.output().text();
    let ignored = text.lines().find_map(|line| line.strip_prefix("SigIgn="));
    let ignored = u64::from_str_radix(ignored.expect("a mask"), 16).expect("a mask");
    // SIGXCPU is signal 24 and SIGXFSZ is 25; bit 0 of the mask is signal 1.
    assert_eq!(ignored & (0b11 << 23), 0, "{ignored:#x}");

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let command = format!("exec head -c 3000000 /dev/zero >{}", file.path().display());
    let service = SimpleExecutor::new(command).shell(true).started()?;
    service.wait_for(|| service.exit_code().is_some())?;
    assert_eq!(service.exit_code(), Some(-25), "killed by SIGXFSZ");
    Ok(())
}
