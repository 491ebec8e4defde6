//! Locks on shared fixtures: `lock = true`.

use mirakuru::{ErrorKind, Shared, SimpleExecutor, with_process};

use crate::bodies::panic_of;

static FIRST: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 60"));
static SECOND: Shared<SimpleExecutor> = Shared::new(|| SimpleExecutor::new("sleep 61"));

#[with_process(shared = FIRST, lock = true)]
#[test]
fn a_lock_is_held_until_the_test_ends(first: &SimpleExecutor) {
    assert!(first.running());
    let error = FIRST.lock().expect_err("this thread has it");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error.to_string().contains("holds the lock already"),
        "{error}"
    );
}

const LOCKED: bool = true;

#[with_process(shared = SECOND, lock = LOCKED)]
#[test]
fn lock_accepts_a_constant() {
    let error = SECOND.lock().expect_err("this thread has it");
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[with_process(shared = SECOND, lock = false)]
#[test]
fn without_lock_the_fixture_is_not_locked(second: &SimpleExecutor) {
    assert!(second.running());
    assert!(SECOND.lock().is_ok());
}

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = SECOND, lock = true)]
fn up() {}

#[with_process(shared = SECOND, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn down() {}

/// Both tests take the locks in one order, although they are written in different orders.
#[test]
fn tests_that_lock_several_fixtures_do_not_deadlock() {
    let first_of = |test: fn()| {
        let reported = panic_of(test);
        assert!(reported.contains("holds the lock already"), "{reported}");
        let fixtures = ["`sleep 60`", "`sleep 61`"].map(|command| reported.contains(command));
        assert_ne!(fixtures[0], fixtures[1], "{reported}");
        fixtures
    };
    // This thread has both locks, so the error names the lock that a test takes first.
    let both = [FIRST.lock(), SECOND.lock()].map(|lock| lock.expect("other tests release it soon"));
    assert_eq!(first_of(up), first_of(down));
    drop(both);
    up();
    down();
}

#[with_process(shared = FIRST, lock = true)]
#[with_process(shared = FIRST, lock = true)]
fn twice() {}

#[test]
fn locking_a_fixture_twice_fails_at_once() {
    let reported = panic_of(twice);
    assert!(reported.contains("holds the lock already"), "{reported}");
}

#[test]
fn a_failing_test_releases_its_lock() {
    assert!(panic_of(panics).contains("the expected panic"));
    assert!(FIRST.lock().is_ok());
}

#[with_process(shared = FIRST, lock = true)]
fn panics() {
    panic!("the expected panic");
}
