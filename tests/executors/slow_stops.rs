//! A stop that had to kill, or took long, is reported in one line, unless the user chose to kill or set a short
//! timeout.

use std::time::Duration;

use mirakuru::{OutputExecutor, Result, Signal};

use crate::PROGRAM;
use crate::rerun::{alone, is_alone};

/// Returns the lines about a stop that this test prints when it runs in its own process.
fn lines_of(name: &str) -> Vec<String> {
    let output = alone(name, "", |_| {});
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.contains("to stop after"));
    lines.map(str::to_owned).collect()
}

fn ignoring_stop() -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "ignores_stop"], "ready").stop_timeout(Duration::from_secs(1))
}

#[test]
fn a_stop_that_had_to_kill_is_reported_once() -> Result<()> {
    if is_alone() {
        let service = ignoring_stop().name("cache").started()?;
        service.restart()?.restart()?;
        drop(service);
        return Ok(());
    }
    let lines = lines_of("slow_stops::a_stop_that_had_to_kill_is_reported_once");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let expected = format!("mirakuru: `{PROGRAM} ignores_stop` (cache) took ");
    let rest = line
        .strip_prefix(&expected)
        .unwrap_or_else(|| panic!("{line}"));
    let expected = " s to stop after SIGTERM, and was killed: set `stop_signal`";
    let (seconds, _) = rest
        .split_once(expected)
        .unwrap_or_else(|| panic!("{line}"));
    assert!(
        seconds.parse::<f64>().is_ok_and(|seconds| seconds >= 1.0),
        "{line}"
    );
    Ok(())
}

#[test]
fn a_stop_of_more_than_five_seconds_is_reported() -> Result<()> {
    if is_alone() {
        let script = "trap 'sleep 5.1; exit 0' INT; echo ready; while :; do sleep 0.02; done";
        let service = OutputExecutor::new(script, "ready").shell(true);
        service.stop_signal(Signal::INT).start()?.stop()?;
        return Ok(());
    }
    let lines = lines_of("slow_stops::a_stop_of_more_than_five_seconds_is_reported");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        line.contains(" s to stop after SIGINT: set `stop_signal`"),
        "{line}"
    );
    Ok(())
}

#[test]
fn a_kill_that_the_user_chose_is_not_reported() -> Result<()> {
    if is_alone() {
        ignoring_stop().started()?.kill()?;
        ignoring_stop().started()?.kill_with(Signal::HUP)?;
        ignoring_stop()
            .stop_signal(Signal::KILL)
            .started()?
            .stop()?;
        let short = ignoring_stop()
            .stop_timeout(Duration::from_millis(100))
            .started()?;
        short.restart()?;
        drop(short);
        OutputExecutor::new([PROGRAM, "prints", "up"], "up")
            .started()?
            .stop()?;
        return Ok(());
    }
    let lines = lines_of("slow_stops::a_kill_that_the_user_chose_is_not_reported");
    assert_eq!(lines, [""; 0]);
    Ok(())
}
