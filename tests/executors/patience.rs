//! Timeouts, and the interval between two checks.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use mirakuru::{
    ErrorKind, Executor, OutputExecutor, Result, TcpExecutor,
    readiness::{Context, NotReady, Readiness},
};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::PROGRAM;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_start_that_is_not_ready_takes_the_whole_timeout() {
    let executor = OutputExecutor::new([PROGRAM, "prints", "up"], "never").timeout(SECOND);
    let begin = Instant::now();
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(begin.elapsed() >= SECOND);
}

#[test]
fn a_timeout_beyond_the_clocks_range_never_ends() -> Result<()> {
    let executor = OutputExecutor::new([PROGRAM, "prints", "up"], "up")
        .timeout(Duration::MAX)
        .stop_timeout(Duration::MAX);
    executor.start()?.stop()?;
    Ok(())
}

#[test]
fn a_timeout_of_zero_fails_and_does_not_hang() {
    let executor = OutputExecutor::new([PROGRAM, "prints", "up"], "never").timeout(Duration::ZERO);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
    assert!(!executor.running());
}

#[test]
fn a_timeout_shorter_than_the_supervisors_start_fails() {
    for microseconds in [0, 1, 100, 1000, 3000] {
        let executor = TcpExecutor::new("sleep 60", "127.0.0.1", 0)
            .timeout(Duration::from_micros(microseconds));
        let error = at_once(|| error_of(executor.start()));
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
        assert!(!executor.running());
    }
}

#[test]
fn a_kill_after_the_stop_timeout_is_not_an_error() -> Result<()> {
    let hold = Hold::new();
    let command = hold.command(&[PROGRAM, "ignores_stop"]);
    let service = OutputExecutor::new(command, "ready")
        .stop_timeout(Duration::from_millis(200))
        .started()?;
    let begin = Instant::now();
    at_once(|| service.stop())?;
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert_eq!(service.exit_code(), Some(-9));
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn a_forced_kill_passes_with_another_expected_code() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "ignores_stop"], "ready")
        .stop_timeout(Duration::from_millis(100))
        .expected_returncode(3);
    assert_eq!(service.start()?.stop()?.exit_code(), Some(-9));
    Ok(())
}

#[test]
fn a_stop_takes_no_longer_than_the_service_needs() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "up"], "up")
        .stop_timeout(HOUR)
        .started()?;
    at_once(|| service.stop().map(drop))
}

/// Returns how long this many calls of the check take, with this interval.
fn time_of_checks(count: usize, interval: Duration) -> Result<Duration> {
    let asked = AtomicUsize::new(0);
    let at_the_last = move |_: &Context| asked.fetch_add(1, Ordering::Relaxed) + 1 == count;
    let executor = Executor::when([PROGRAM, "prints"], at_the_last).poll_interval(interval);
    let begun = Instant::now();
    executor.start()?;
    Ok(begun.elapsed())
}

#[test]
fn the_interval_bounds_the_number_of_checks() -> Result<()> {
    // Without an interval, this many checks take milliseconds.
    let time = time_of_checks(6, Duration::from_millis(200))?;
    assert!(time >= Duration::from_secs(1), "six times within {time:?}");
    Ok(())
}

#[test]
fn a_short_interval_is_used_as_given() -> Result<()> {
    // Without an interval, this many checks take most of a minute.
    at_once(|| time_of_checks(1000, Duration::ZERO)).map(drop)
}

#[test]
fn a_line_and_a_death_are_noticed_before_the_interval_ends() -> Result<()> {
    let late = OutputExecutor::new([PROGRAM, "prints", "--delay", "200", "ready"], "ready");
    let late = late.poll_interval(HOUR).timeout(HOUR);
    at_once(|| late.start().map(drop))?;
    let dying = [
        PROGRAM,
        "prints",
        "--delay",
        "200",
        "--then-exit",
        "1",
        "oh",
    ];
    let dying = OutputExecutor::new(dying, "ready")
        .poll_interval(HOUR)
        .timeout(HOUR);
    let error = at_once(|| error_of(dying.start()));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    Ok(())
}

#[test]
fn an_interval_beyond_the_deadline_ends_at_the_deadline() {
    let executor = TcpExecutor::new([PROGRAM, "prints"], "127.0.0.1", 0)
        .poll_interval(HOUR)
        .timeout(SECOND);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
}

/// The main process ends at once. Another process of its group has more to do; its first thread has ended, so `/proc`
/// shows it as ended.
#[test]
fn the_rest_of_the_main_group_has_the_stop_timeout() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let flushed = directory.path().join("flushed");
    let script = format!(
        "{PROGRAM} main_thread_ends {} & exec sleep 60",
        flushed.display()
    );
    let service = OutputExecutor::new(script, "^ready$").shell(true);
    at_once(|| service.start()?.stop().map(drop))?;
    assert_eq!(
        std::fs::read_to_string(flushed).expect("it had time to write"),
        "flushed"
    );
    Ok(())
}

/// A check may fail for lack of time near the deadline. An earlier reason shows what the service lacks.
#[test]
fn a_reason_from_before_the_last_moments_is_reported() {
    #[derive(Debug)]
    struct Hurried(AtomicBool);
    impl Readiness for Hurried {
        fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
            let is_near = cx.remaining() < Duration::from_millis(200);
            // The first call near the deadline may have begun long before it.
            let was_near = self.0.fetch_or(is_near, Ordering::Relaxed);
            Err(NotReady::new(if was_near {
                "no time"
            } else {
                "it sleeps"
            }))
        }
    }
    let check = Hurried(AtomicBool::new(false));
    let executor = Executor::with_readiness([PROGRAM, "prints"], check)
        .poll_interval(Duration::from_millis(5))
        .timeout(SECOND);
    let error = error_of(executor.start()).to_string();
    assert!(error.contains("it sleeps"), "{error}");
    assert!(!error.contains("no time"), "{error}");
}
