//! Shared fixtures that a test has for itself.

use mirakuru::{ErrorKind, Shared, SimpleExecutor, with_process};

use crate::bodies::panic_of;

static FIRST: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
static SECOND: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 61"));

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

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = SECOND, lock = true)]
fn up() {}

#[with_process(shared = SECOND, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn down() {}

/// Each takes first the lock that both take first, in whatever order they are written.
#[test]
fn those_who_lock_several_do_not_wait_for_each_other() {
    let first_of = |test: fn()| {
        let reported = panic_of(test);
        assert!(reported.contains("has the lock already"), "{reported}");
        let fixtures = ["`sleep 60`", "`sleep 61`"].map(|command| reported.contains(command));
        assert_ne!(fixtures[0], fixtures[1], "{reported}");
        fixtures
    };
    // This thread has both, so the error is about the lock that a test asks for first.
    let both = [FIRST.lock(), SECOND.lock()].map(|lock| lock.expect("it is free soon"));
    assert_eq!(first_of(up), first_of(down));
    drop(both);
    up();
    down();
}

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn twice() {}

#[test]
fn one_that_is_locked_twice_is_a_failure_at_once() {
    let reported = panic_of(twice);
    assert!(reported.contains("has the lock already"), "{reported}");
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
