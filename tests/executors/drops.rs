//! A dropped executor stops its tree gently, and within two seconds while panicking.

use std::{panic, path::PathBuf, time::Duration};

use mirakuru::{
    Context, Executor, NotReady, OutputExecutor, Readiness, Result, SimpleExecutor,
    readiness::Target,
};
use mirakuru_tests::{bounds::at_once, hold::Hold};

use crate::PROGRAM;

#[test]
fn the_tree_is_gone_when_the_drop_returns() -> Result<()> {
    let hold = Hold::new();
    let command = hold.script(&format!(
        "'{PROGRAM}' prints child & exec '{PROGRAM}' prints up"
    ));
    let service = OutputExecutor::new(command, "up").shell(true).started()?;
    assert!(!hold.is_free());
    drop(service);
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn a_drop_sends_the_stop_signal() -> Result<()> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let script = format!(
        "trap 'echo stopped >{}; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        file.path().display()
    );
    drop(OutputExecutor::new(script, "ready").shell(true).started()?);
    let text = std::fs::read_to_string(file.path()).expect("own file");
    assert_eq!(text, "stopped\n");
    Ok(())
}

#[test]
fn a_drop_kills_a_service_that_does_not_stop() -> Result<()> {
    let hold = Hold::new();
    let service = OutputExecutor::new(hold.command(&[PROGRAM, "ignores_stop"]), "ready")
        .stop_timeout(Duration::from_millis(100))
        .started()?;
    at_once(|| drop(service));
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn a_drop_in_a_panic_kills_a_service_that_does_not_stop() {
    let hold = Hold::new();
    let command = hold.command(&[PROGRAM, "ignores_stop"]);
    let panicking = panic::AssertUnwindSafe(|| {
        let service = OutputExecutor::new(command, "ready");
        let service = service.stop_timeout(Duration::from_secs(600)).started();
        let _service = service.expect("it starts");
        panic::resume_unwind(Box::new("no message"));
    });
    at_once(|| panic::catch_unwind(panicking)).expect_err("it panics");
    assert!(hold.is_free());
}

#[test]
fn a_drop_after_a_bad_exit_does_not_panic() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "exits", "5"]).started()?;
    assert_eq!(service.output().lines().count(), 0);
    drop(service);
    drop(SimpleExecutor::new("never started"));
    Ok(())
}

#[test]
fn the_private_directory_is_removed_with_the_executor() -> Result<()> {
    let service = SimpleExecutor::new(["sleep", "60"]);
    let directory = service.tmpdir();
    std::fs::write(directory.join("file"), "").expect("own directory");
    service.start()?.stop()?;
    assert!(
        directory.join("file").exists(),
        "it lives as long as the executor"
    );
    drop(service);
    assert!(!directory.exists());
    Ok(())
}

/// A custom check whose target is a file.
struct LooksAt(PathBuf);

impl Readiness for LooksAt {
    fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
        if self.0.exists() {
            Ok(())
        } else {
            Err(NotReady::new("the file is missing"))
        }
    }

    fn target(&self) -> Target {
        let mut target = Target::default();
        target.filename = Some(self.0.clone());
        target
    }
}

#[test]
fn a_file_from_before_the_start_is_kept() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("precious");
    std::fs::write(&file, "precious").expect("own directory");
    let service = Executor::with_readiness("sleep 60", LooksAt(file.clone())).started()?;
    service.restart()?.stop()?.start()?.kill()?;
    drop(service.started()?);
    let text = std::fs::read_to_string(&file).expect("it still exists");
    assert_eq!(text, "precious");
    Ok(())
}

#[test]
fn a_file_that_the_service_made_is_removed_with_it() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("pid");
    let service =
        Executor::with_readiness([PROGRAM, "writes_pid", "{pidfile}"], LooksAt(file.clone()));
    service.start()?;
    assert!(file.exists());
    service.kill()?;
    assert!(!file.exists());
    Ok(())
}
