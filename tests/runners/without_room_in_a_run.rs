//! A test that `clients.rs` runs under a runner. The supervisor of the run reaches its limit on open files.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use mirakuru_tests::processor::ticks;

use crate::{FIRST, SECOND, THIRD, connections, starts, supervisor_of, wait_until};

/// Sets the limit on open files of a process.
fn limit_open_files(pid: &str, to: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", pid, &format!("--nofile={to}:")]);
    assert!(prlimit.status().expect("util-linux").success());
}

#[test]
fn one_without_room_for_a_client_waits_at_rest() {
    let first = FIRST.get().expect("it starts");
    let (pid, supervisor) = (first.pid(), supervisor_of(first));
    // The second client takes a low descriptor number of the supervisor.
    SECOND.get().expect("it is there");
    let open =
        |number: &u32| fs::exists(format!("/proc/{supervisor}/fd/{number}")).expect("procfs");
    let lowest_free = || (0..1 << 20).find(|number| !open(number)).expect("a number");
    // The supervisor may close a descriptor of the second client a moment later.
    loop {
        let free = lowest_free();
        limit_open_files(&supervisor, &free.to_string());
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
        limit_open_files(&supervisor, "256");
        assert_eq!(third.join().expect("no panic"), pid);
        assert!(used < 20, "{used} ticks of a second");
    });
    assert_eq!(starts(), 1);
}
