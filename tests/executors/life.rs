//! The life of an executor: started, running, ended, stopped, started again.

use std::{fs, sync::OnceLock};

use mirakuru::{OutputExecutor, Result, SimpleExecutor};
use mirakuru_tests::hold::Hold;

use crate::PROGRAM;

fn printing() -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "prints", "up"], "up")
}

#[test]
fn the_state_is_reported_over_the_whole_life() -> Result<()> {
    let executor = printing();
    let reported = || {
        (
            executor.running(),
            executor.pid().is_some(),
            executor.exit_code(),
        )
    };
    assert_eq!(reported(), (false, false, None));
    executor.start()?;
    assert_eq!(reported(), (true, true, None));
    executor.stop()?;
    assert_eq!(reported(), (false, false, Some(-15)));
    executor.start()?;
    assert_eq!(reported(), (true, true, None));
    executor.kill()?;
    assert_eq!(reported(), (false, false, Some(-9)));
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn the_pid_is_that_of_the_main_process() -> Result<()> {
    let executor = printing().started()?;
    let pid = executor.pid().expect("it runs");
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("procfs");
    assert_eq!(line, format!("{PROGRAM}\0prints\0up\0").as_bytes());
    Ok(())
}

#[test]
fn starting_a_running_executor_is_a_no_op() -> Result<()> {
    let executor = printing();
    let pid = executor.start()?.pid();
    assert_eq!(executor.start()?.pid(), pid);
    assert_eq!(executor.output().text(), "up\n", "it was started once");
    Ok(())
}

#[test]
fn stopping_a_stopped_executor_is_a_no_op() -> Result<()> {
    let executor = printing();
    executor.stop()?.stop()?;
    assert_eq!(executor.exit_code(), None);
    executor.start()?.stop()?.stop()?;
    assert_eq!(executor.exit_code(), Some(-15));
    Ok(())
}

#[test]
fn a_guard_is_kept_by_value_and_in_a_static() -> Result<()> {
    static SERVICE: OnceLock<OutputExecutor> = OnceLock::new();
    let service = printing().started()?;
    assert!(SERVICE.get_or_init(|| service).running());
    Ok(())
}

#[test]
fn calls_can_be_chained() -> Result<()> {
    let text = printing().start()?.stop()?.output().text();
    assert_eq!(text, "up\n");
    let executor = printing();
    executor
        .start()?
        .restart()?
        .wait_for(|| true)?
        .signal(mirakuru::Signal::CONT)?
        .kill()?;
    Ok(())
}

#[test]
fn a_service_that_ended_by_itself_can_start_again() -> Result<()> {
    let executor = SimpleExecutor::new([PROGRAM, "exits", "0"]);
    executor.start()?;
    assert_eq!(executor.output().lines().count(), 0);
    assert_eq!((executor.running(), executor.exit_code()), (false, Some(0)));
    executor.start()?;
    assert_eq!(executor.output().lines().count(), 0);
    assert_eq!(executor.exit_code(), Some(0));
    Ok(())
}

#[test]
fn leftovers_of_a_dead_service_end_before_its_next_start() -> Result<()> {
    let hold = Hold::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = directory.path().join("first");
    // The first start leaves a child and fails; the second start stays.
    let script = format!(
        "if mkdir {0}; then exec 8>&1; {1}; fi; echo again; exec sleep 60",
        first.display(),
        hold.script("sleep 60 & exit 3"),
    );
    let executor = SimpleExecutor::new(script).shell(true).started()?;
    executor.wait_for(|| executor.exit_code() == Some(3))?;
    executor.start()?;
    executor.output().wait_for("again")?;
    assert!(hold.is_free());
    Ok(())
}
