//! The attribute with `#[serial]`.

use mirakuru::{SimpleExecutor, with_process};
use serial_test::{is_locked_serially, serial};

use crate::recorded::{counted, made};

/// Checks that the body runs within its turn, and calls `run`.
fn alone(run: impl FnOnce()) {
    assert!(is_locked_serially(Some("attribute")));
    run();
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
#[with_process(executor = counted())]
fn below_both() {
    alone(|| assert_eq!(made(), 1));
}

#[with_process(simple = "sleep 60")]
#[tokio::test]
#[serial(attribute)]
async fn asynchronous(sleep: &SimpleExecutor) {
    alone(|| assert!(sleep.running()));
}
