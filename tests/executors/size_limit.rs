//! A limit on the size of files that the test process has (`ulimit -f`): what a service prints beyond
//! it is lost, and told so; the tree is looked after as ever.
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

/// Whether this is the process for this test alone, which then has the limit.
fn is_limited(test: &str) -> bool {
    if !is_alone() {
        alone(&format!("size_limit::{test}"), "", |_| {});
        return false;
    }
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT, LIMIT).expect("a limit to come down to");
    true
}

#[test]
fn a_tree_that_prints_beyond_it_lives_and_is_gone_in_the_end() -> Result<()> {
    if !is_limited("a_tree_that_prints_beyond_it_lives_and_is_gone_in_the_end") {
        return Ok(());
    }
    let hold = Hold::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let done = directory.path().join("done");
    // The daemon is in a session of its own, deaf, and nobody's child.
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
fn what_is_lost_is_told() {
    if !is_limited("what_is_lost_is_told") {
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
fn a_service_hears_of_its_own_limit_as_any_program_does() -> Result<()> {
    if !is_limited("a_service_hears_of_its_own_limit_as_any_program_does") {
        return Ok(());
    }
    let service = OutputExecutor::new([PROGRAM, "shows_environment"], "^done$").started()?;
    let text = service.output().text();
    let ignored = text.lines().find_map(|line| line.strip_prefix("SigIgn="));
    let ignored = u64::from_str_radix(ignored.expect("a mask"), 16).expect("a mask");
    // SIGXCPU is signal 24, SIGXFSZ is 25; the first signal is the lowest bit.
    assert_eq!(ignored & (0b11 << 23), 0, "{ignored:#x}");

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let command = format!("exec head -c 3000000 /dev/zero >{}", file.path().display());
    let service = SimpleExecutor::new(command).shell(true).started()?;
    service.wait_for(|| service.exit_code().is_some())?;
    assert_eq!(service.exit_code(), Some(-25), "killed by SIGXFSZ");
    Ok(())
}
