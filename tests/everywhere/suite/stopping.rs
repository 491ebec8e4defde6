//! Tests that no process of the tree is left when a stop returns.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use mirakuru::{OutputExecutor, PidExecutor, Result, Signal};
use mirakuru_everywhere::{life::Life, service};

use crate::{NOW, WHOLE, tree, waits};

/// Returns a tree whose processes all run.
fn started(life: &Life) -> OutputExecutor {
    let executor = tree(life).started().expect("it starts");
    life.wait_for(WHOLE);
    assert_eq!(life.counts(), (WHOLE, WHOLE));
    executor
}

/// Without this test, the others would prove nothing.
#[test]
fn the_check_fails_if_a_process_lives_or_none_connected() {
    let life = Life::new();
    let is_proven = || catch_unwind(AssertUnwindSafe(|| life.all_gone_within(Duration::ZERO)));
    is_proven().expect_err("no process has connected");
    let executor = started(&life);
    is_proven().expect_err("the whole tree lives");
    drop(executor);
}

#[test]
fn a_stop_ends_children_grandchildren_and_daemons() -> Result<()> {
    let life = Life::new();
    let executor = started(&life);
    executor.stop()?;
    life.all_gone_within(NOW);
    assert!(!executor.running());
    executor.stop()?;
    Ok(())
}

#[test]
fn a_kill_ends_children_grandchildren_and_daemons() -> Result<()> {
    let life = Life::new();
    let executor = started(&life);
    executor.kill()?;
    life.all_gone_within(NOW);
    assert!(executor.exit_code().is_some());
    Ok(())
}

#[test]
fn a_drop_ends_children_grandchildren_and_daemons() {
    let life = Life::new();
    drop(started(&life));
    life.all_gone_within(NOW);
}

#[test]
fn a_panic_ends_children_grandchildren_and_daemons() {
    let life = Life::new();
    let test = || {
        let _executor = started(&life);
        panic!("as asked");
    };
    catch_unwind(AssertUnwindSafe(test)).expect_err("it panics");
    life.all_gone_within(NOW);
}

#[test]
fn a_stop_with_sigint_ends_the_tree() -> Result<()> {
    let life = Life::new();
    let executor = tree(&life).stop_signal(Signal::INT);
    // The daemon has left the console group, so it stays until the tree is terminated.
    let executor = executor
        .stop_timeout(Duration::from_millis(100))
        .started()?;
    life.wait_for(WHOLE);
    executor.stop()?;
    life.all_gone_within(NOW);
    Ok(())
}

#[test]
#[cfg_attr(windows, ignore = "Wine 8 sends no event to a console")]
fn a_stop_with_sigint_lets_the_process_choose_its_code() -> Result<()> {
    let executor = waits(&["interrupt=7"])
        .stop_signal(Signal::INT)
        .expected_returncode(7)
        .started()?;
    executor.stop()?;
    assert_eq!(executor.exit_code(), Some(7));
    Ok(())
}

#[test]
fn a_daemon_is_stopped_after_its_main_process_has_ended() -> Result<()> {
    let life = Life::new();
    let command = service(&[&life.step(), "daemon", "write-pid={pidfile}", "exit=0"]);
    let executor = PidExecutor::new(command, "{pidfile}").started()?;
    executor.wait_for(|| !executor.running())?;
    life.wait_for(2);
    // Only the daemon lives.
    life.wait_for_alive(1);
    executor.stop()?;
    assert_eq!(executor.exit_code(), Some(0));
    life.all_gone_within(NOW);
    Ok(())
}

#[test]
fn a_restart_replaces_the_whole_tree() -> Result<()> {
    let life = Life::new();
    let executor = started(&life);
    let before = executor.pid();
    executor.restart()?;
    assert_ne!(executor.pid(), before);
    life.wait_for(2 * WHOLE);
    life.wait_for_alive(WHOLE);
    executor.stop()?;
    life.all_gone_within(NOW);
    Ok(())
}

#[test]
fn an_outage_ends_with_a_restart() -> Result<()> {
    let life = Life::new();
    let executor = started(&life);
    let outage = executor.stopped()?;
    assert!(!executor.running());
    life.all_gone_within(NOW);
    outage.restart()?;
    assert!(executor.running());
    life.wait_for(2 * WHOLE);
    drop(executor);
    life.all_gone_within(NOW);
    Ok(())
}
