//! A private directory that the test keeps stays, even if the test process or the supervisor is killed.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::Hold;
use nix::sys::signal::Signal;

use crate::{PROGRAM, TEST_PROCESS, runners::nextest, victim::Victim};

/// The grace period of two seconds, and a margin for a busy machine.
const GRACE: Duration = Duration::from_secs(15);

/// Starts a test process that keeps the directory of its service in the scratch directory.
fn victim(hold: &Hold) -> Victim {
    Victim::start(&mut command(hold))
}

fn command(hold: &Hold) -> Command {
    let mut command = Command::new(TEST_PROCESS);
    command.args(["victim", "local", "return"]);
    command.args(hold.command(&[PROGRAM, "prints", "x"]));
    command.env("KEEP_IN", hold.scratch());
    command
}

/// Asserts that one directory is left, and that it contains the output of the service.
#[track_caller]
fn assert_kept(hold: &Hold, printed: Option<&str>) {
    assert!(hold.is_free_within(GRACE), "a process of the tree is left");
    let left = hold.left_in_scratch();
    assert_eq!(left.len(), 1, "{left:?}");
    let captured = Path::new(hold.scratch())
        .join(&left[0])
        .join("captured-stdout-1.log");
    // The supervisor writes the file after the tree is gone. A killed test does not wait for it.
    let until = Instant::now() + GRACE;
    let mut kept = fs::read_to_string(&captured).ok();
    while printed.is_some() && kept.as_deref() != printed && Instant::now() < until {
        thread::yield_now();
        kept = fs::read_to_string(&captured).ok();
    }
    assert_eq!(kept.as_deref(), printed);
}

#[test]
fn a_kept_directory_stays_after_the_test_process_was_killed() {
    let hold = Hold::new();
    let mut victim = victim(&hold);
    victim.signal(Signal::SIGKILL);
    victim.wait();
    for supervisor in &victim.supervisors {
        assert!(supervisor.ended_within(GRACE), "a supervisor is left");
    }
    assert_kept(&hold, Some("x\n"));
}

#[test]
fn a_kept_directory_stays_after_the_supervisor_was_killed() {
    let hold = Hold::new();
    let mut victim = victim(&hold);
    victim.supervisors[0].signal(Signal::SIGKILL);
    victim.go_on();
    victim.wait();
    // A killed supervisor cannot copy the output.
    assert_kept(&hold, None);
}

/// The environment requests the files; the test declines with `keep_tmpdir(false)`.
#[test]
fn a_directory_that_must_not_be_kept_is_removed_after_a_kill() {
    for kills_supervisor in [false, true] {
        let (hold, temporary) = (Hold::new(), tempfile::tempdir().expect("a directory"));
        let mut command = command(&hold);
        command.env("KEEP", "false").env("MIRAKURU_KEEP", "1");
        let mut victim = Victim::start(command.env("TMPDIR", temporary.path()));
        if kills_supervisor {
            victim.supervisors[0].signal(Signal::SIGKILL);
            victim.go_on();
        } else {
            victim.signal(Signal::SIGKILL);
        }
        victim.wait();
        assert!(victim.supervisors[0].ended_within(GRACE));
        assert!(hold.is_free_within(GRACE), "a process of the tree is left");
        assert_eq!(hold.left_in_scratch(), [""; 0]);
        let left = fs::read_dir(temporary.path()).expect("own directory");
        let names = left.map(|entry| entry.expect("listed").file_name());
        let kept: Vec<_> = names
            .filter(|name| name.to_string_lossy().contains("kept"))
            .collect();
        assert!(kept.is_empty(), "{kept:?}");
    }
}

#[test]
fn a_kept_directory_stays_after_a_normal_exit() {
    let hold = Hold::new();
    let mut victim = victim(&hold);
    victim.go_on();
    victim.wait();
    assert_kept(&hold, Some("x\n"));
}

#[test]
fn a_kept_directory_stays_after_nextest_killed_the_test() {
    let hold = Hold::new();
    let (passed, text) = nextest(&hold, "kills", "hangs_and_keeps_its_directory");
    assert!(!passed && text.contains("TIMEOUT"), "{text}");
    assert_kept(&hold, Some("holding\n"));
}

/// The link leads to a file that the service could have written itself. The supervisor may run as another user.
#[test]
fn kept_output_overwrites_no_file_that_the_service_has_made() -> mirakuru::Result<()> {
    let hold = Hold::new();
    let elsewhere = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&elsewhere, "elsewhere").expect("own file");
    let script = format!(
        "printf own >captured-stdout-1.log; ln -s {} captured-stderr-1.log; \
         echo printed; echo printed >&2; exec sleep 60",
        elsewhere.path().display()
    );
    let service = OutputExecutor::new(hold.script(&script), "printed")
        .shell(true)
        .cwd("{tmpdir}")
        .tmpdir_in(hold.scratch())
        .keep_tmpdir(true)
        .started()?;
    let directory = service.tmpdir();
    service.stop()?;
    drop(service);
    let kept = fs::read_to_string(directory.join("captured-stdout-1.log"));
    assert_eq!(kept.expect("the service made it"), "own");
    let link = directory.join("captured-stderr-1.log");
    assert_eq!(fs::read_link(link).expect("a link"), elsewhere.path());
    let text = fs::read_to_string(&elsewhere).expect("own file");
    assert_eq!(text, "elsewhere");
    Ok(())
}
