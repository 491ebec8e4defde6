//! Shared fixtures that a test has for itself.

use std::{
    panic::{catch_unwind, resume_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use mirakuru::{ErrorKind, Shared, SimpleExecutor, with_process};

use crate::{
    again::{command, is_again},
    bodies::panic_of,
};

static FIRST: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
static SECOND: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));

#[with_process(shared = FIRST, lock = true)]
#[test]
fn it_is_had_until_the_test_ends(first: &SimpleExecutor) {
    assert!(first.running());
    let error = FIRST.lock().expect_err("this thread has it");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error.to_string().contains("has the lock already"),
        "{error}"
    );
}

const LOCKED: bool = true;

#[with_process(shared = SECOND, lock = LOCKED)]
#[test]
fn it_may_be_told_by_a_constant() {
    let error = SECOND.lock().expect_err("this thread has it");
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[with_process(shared = SECOND, lock = false)]
#[test]
fn who_does_not_lock_has_no_lock(second: &SimpleExecutor) {
    assert!(second.running());
    assert!(SECOND.lock().is_ok());
}

static INSIDE: AtomicUsize = AtomicUsize::new(0);

fn alone() {
    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
    thread::yield_now();
    assert_eq!(INSIDE.fetch_sub(1, Ordering::SeqCst), 1);
}

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = SECOND, lock = true)]
fn up() {
    alone();
}

#[with_process(shared = SECOND, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn down() {
    alone();
}

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Two that lock both in opposite order, again and again at the same moment, where it is run again.
#[test]
fn lock_both() {
    if !is_again() {
        return;
    }
    let often = |one: fn()| {
        for round in 1..=5000 {
            ARRIVED.fetch_add(1, Ordering::SeqCst);
            while ARRIVED.load(Ordering::SeqCst) < 2 * round {
                thread::yield_now();
            }
            let ended = catch_unwind(one);
            if let Err(panic) = ended {
                // The other one does not wait for this one any more.
                ARRIVED.fetch_add(1 << 20, Ordering::SeqCst);
                resume_unwind(panic);
            }
        }
    };
    thread::scope(|scope| {
        for one in [up, down] {
            scope.spawn(move || often(one));
        }
    });
}

#[test]
fn those_who_lock_several_do_not_wait_for_each_other() {
    let mut both = command("locks::lock_both", &[]);
    // Each would be told after that.
    let output = both.env("MIRAKURU_QUEUE_TIMEOUT", "5").output();
    let output = output.expect("this binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "it did not run:\n{text}");
}

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn twice() {}

#[test]
fn one_that_is_locked_twice_is_a_failure_at_once() {
    let told = panic_of(twice);
    assert!(told.contains("has the lock already"), "{told}");
}

#[test]
fn it_is_given_back_by_a_test_that_fails() {
    assert!(panic_of(panics).contains("as it has to"));
    assert!(FIRST.lock().is_ok());
}

#[with_process(shared = FIRST, lock = true)]
fn panics() {
    panic!("as it has to");
}
