//! Beside `#[serial]`.

use std::sync::atomic::{AtomicU32, Ordering};

use mirakuru::{SimpleExecutor, with_process};
use serial_test::serial;

static INSIDE: AtomicU32 = AtomicU32::new(0);

/// Counts who is inside.
fn alone(run: impl FnOnce()) {
    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
    run();
    INSIDE.fetch_sub(1, Ordering::SeqCst);
}

#[with_process(simple = "sleep 60")]
#[test]
#[serial(attribute)]
fn above_both(sleep: &SimpleExecutor) {
    alone(|| assert!(sleep.running()));
}

#[with_process(simple = "sleep 60")]
#[serial(attribute)]
#[test]
fn above_both_the_other_way(sleep: &SimpleExecutor) {
    alone(|| assert!(sleep.running()));
}

#[test]
#[serial(attribute)]
#[with_process(simple = "sleep 60")]
fn below_both() {
    alone(|| {});
}

#[with_process(simple = "sleep 60")]
#[tokio::test]
#[serial(attribute)]
async fn asynchronous(sleep: &SimpleExecutor) {
    alone(|| assert!(sleep.running()));
}
