//! Checks that never return, and checks that panic.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::mpsc,
    thread,
    time::Duration,
};

use mirakuru::{Context, ErrorKind, Executor, NotReady, Readiness, Result, readiness::Output};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

const SHORT: Duration = Duration::from_secs(2);

/// Blocks the thread for ever.
fn block() -> ! {
    loop {
        thread::park();
    }
}

#[test]
fn a_check_that_blocks_ends_at_the_deadline() {
    let hold = Hold::new();
    let command = hold.command(&[PROGRAM, "prints", "up"]);
    let executor = Executor::when(command, |_: &Context| block()).timeout(SHORT);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    assert!(
        text.contains("\n  last check:  the check did not answer in time\n"),
        "{text}"
    );
    assert!(hold.is_free());
}

#[test]
fn a_blocking_part_of_a_check_ends_at_the_deadline() {
    struct Blocks;

    impl Readiness for Blocks {
        fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
            block()
        }
    }

    let check: Box<dyn Readiness> = Box::new(Output::new("up").then(Blocks));
    let executor = Executor::with_readiness([PROGRAM, "prints", "up"], check).timeout(SHORT);
    assert_eq!(
        at_once(|| error_of(executor.start())).kind(),
        ErrorKind::TimeoutExpired
    );
}

#[test]
fn a_blocking_pre_start_check_fails_and_nothing_is_spawned() {
    struct BlocksBefore;

    impl Readiness for BlocksBefore {
        fn pre_start_check(&self, _cx: &Context) -> bool {
            block()
        }

        fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
            Ok(())
        }
    }

    let executor = Executor::with_readiness([PROGRAM, "prints", "up"], BlocksBefore).timeout(SHORT);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_error_text(
        &error,
        &[
            "`programs prints up` was not started: its readiness check did not return in time",
            "  reason:      the check runs once before the start, to find a service that runs already",
            "  waited for:  its own readiness check",
            "  how long:    TIME",
        ],
    );
    assert_eq!(executor.output().text(), "");
}

#[test]
fn a_death_during_a_blocking_check_fails_at_once() {
    let command = [
        PROGRAM,
        "prints",
        "--delay",
        "200",
        "--then-exit",
        "3",
        "bye",
    ];
    let executor = Executor::when(command, |_: &Context| block());
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(3))
    );
}

#[test]
fn an_executor_with_a_blocking_check_can_be_restarted() -> Result<()> {
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let ready = move |_: &Context| blocked.lock().is_ok_and(|blocked| blocked.recv().is_err());
    let executor = Executor::when([PROGRAM, "prints", "up"], ready).timeout(SHORT);
    assert_eq!(error_of(executor.start()).kind(), ErrorKind::TimeoutExpired);
    drop(unblock);
    assert!(executor.start()?.running());
    Ok(())
}

/// Returns the message of the panic that the start ends with.
fn panic_of<R: Readiness>(executor: &Executor<R>) -> String {
    let start = AssertUnwindSafe(|| executor.start().map(drop));
    let payload = panic::catch_unwind(start).expect_err("the check panics");
    *payload.downcast::<String>().expect("a formatted message")
}

/// Panics without a message from the test harness.
fn panic_quietly(message: &str) -> ! {
    panic::resume_unwind(Box::new(message.to_owned()))
}

#[test]
fn a_panic_in_a_check_resumes_after_the_tree_is_gone() -> Result<()> {
    let hold = Hold::new();
    let command = hold.script(&format!(
        "'{PROGRAM}' prints child & exec '{PROGRAM}' prints up"
    ));
    let ready = |cx: &Context| {
        if cx.output().text().contains("up") {
            panic_quietly("the check's own");
        }
        false
    };
    let executor = Executor::when(command, ready).shell(true);
    assert_eq!(panic_of(&executor), "the check's own");
    assert!(hold.is_free());
    assert!(!executor.running());
    executor.stop()?;
    Ok(())
}

#[test]
fn a_panic_in_a_pre_start_check_resumes_and_spawns_nothing() {
    struct PanicsBefore;

    impl Readiness for PanicsBefore {
        fn pre_start_check(&self, _cx: &Context) -> bool {
            panic_quietly("before the start")
        }

        fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
            Ok(())
        }
    }

    let executor = Executor::with_readiness([PROGRAM, "prints", "up"], PanicsBefore);
    assert_eq!(panic_of(&executor), "before the start");
    assert_eq!((executor.pid(), executor.exit_code()), (None, None));
}

#[test]
fn a_panic_in_a_wait_resumes_and_the_service_stays() -> Result<()> {
    let service = Executor::when([PROGRAM, "prints", "up"], |_: &Context| true).started()?;
    let wait = AssertUnwindSafe(|| service.wait_for(|| panic_quietly("in the wait")).map(drop));
    panic::catch_unwind(wait).expect_err("the closure panics");
    assert!(service.running());
    service.stop()?;
    Ok(())
}
