//! Durations: text with a unit, a number of seconds, or another expression.

use std::time::{Duration, Instant};

use mirakuru::{OutputExecutor, with_process};

use crate::{PROGRAM, bodies::panic_of};

#[with_process(
    output = "sleep 60",
    banner = "never",
    timeout = "100ms",
    poll_interval = "1ms"
)]
fn text() {}

#[with_process(output = "sleep 60", banner = "never", timeout = 0.1)]
fn fraction() {}

#[with_process(output = "sleep 60", banner = "never", timeout = 1)]
fn seconds() {}

#[with_process(output = "sleep 60", banner = "never", timeout = Duration::from_millis(100))]
fn expression() {}

#[test]
fn a_start_fails_at_its_timeout() {
    for (helper, bound) in [
        (text as fn(), 100),
        (fraction, 100),
        (seconds, 1000),
        (expression, 100),
    ] {
        let begin = Instant::now();
        let reported = panic_of(helper);
        let elapsed = begin.elapsed();
        assert!(reported.contains("was not ready in time"), "{reported}");
        assert!(elapsed >= Duration::from_millis(bound), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
    }
}

#[with_process(
    output = [PROGRAM, "prints", "ready"],
    banner = "ready",
    timeout = "2m",
    stop_timeout = "1.5s",
    poll_interval = 0.001,
)]
#[test]
fn units(prints: &OutputExecutor) {
    assert!(prints.running());
}
