//! A test that `clients.rs` runs under a runner. The supervisor of the run reaches its limit on open files.

use std::{
    thread,
    time::{Duration, Instant},
};

use mirakuru_tests::{
    open_files::{limit_open_files, lowest_free_descriptor},
    processor::ticks,
};

use crate::{FIRST, SECOND, THIRD, connections, starts, supervisor_of, wait_until};

#[test]
fn one_without_room_for_a_client_waits_at_rest() {
    let first = FIRST.get().expect("it starts");
    let (pid, supervisor) = (first.pid(), supervisor_of(first));
    // The second client takes a low descriptor number of the supervisor.
    SECOND.get().expect("it is there");
    let lowest_free = || lowest_free_descriptor(&supervisor);
    // The supervisor may close a descriptor of the second client a moment later.
    loop {
        let free = lowest_free();
        limit_open_files(&supervisor, &format!("{free}:"));
        let begun = Instant::now();
        wait_until(|| begun.elapsed() > Duration::from_millis(100));
        if lowest_free() == free {
            break;
        }
    }
    thread::scope(|scope| {
        let third = scope.spawn(|| THIRD.get().expect("it is there").pid());
        wait_until(|| connections().len() == 2);
        let (before, begun) = (ticks(&supervisor), Instant::now());
        wait_until(|| begun.elapsed() > Duration::from_secs(1));
        let used = ticks(&supervisor) - before;
        assert!(!third.is_finished(), "it waits for a descriptor");
        limit_open_files(&supervisor, "256:");
        assert_eq!(third.join().expect("no panic"), pid);
        assert!(used < 20, "{used} ticks of a second");
    });
    assert_eq!(starts(), 1);
}
