//! Who runs the tests: found, not believed.
//!
//! An environment variable can be inherited, or made up. So the ancestors are looked at: while one of
//! them has our exact `NEXTEST_RUN_ID` it was started by that run, and the first without it must be a
//! nextest that is older than we are. That holds with double-spawning, wrapper scripts, target runners
//! and debuggers in between. Under `cargo test` the parent must be cargo.

use nix::unistd::{Pid, getppid};

use crate::sys;

/// The process whose life is that of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runner {
    pub(crate) pid: Pid,
    /// When it started, in the kernel's ticks: pids are given again.
    pub(crate) started: u64,
}

/// The runner of this test process, or why it cannot be told.
pub(crate) fn find() -> Result<Runner, String> {
    let cargo = || of_this_name(getppid(), "cargo", |name| name == "cargo");
    match std::env::var("NEXTEST_RUN_ID") {
        // A cargo that was started by a test of nextest passes the variable on: then it is the runner.
        Ok(id) => cargo().or_else(|_| nextest(&format!("NEXTEST_RUN_ID={id}"))),
        Err(_) => cargo(),
    }
}

/// More ancestors than any wrapper has.
const MOST_ANCESTORS: usize = 64;

fn nextest(mark: &str) -> Result<Runner, String> {
    let mut ancestor = getppid();
    for _ in 0..MOST_ANCESTORS {
        if !sys::carries(ancestor, mark) {
            return of_this_name(ancestor, "nextest", |name| name.contains("nextest"));
        }
        let standing = sys::standing(ancestor);
        ancestor = standing
            .ok_or("its ancestors cannot be looked at in /proc")?
            .parent;
    }
    Err("it has too many ancestors".to_owned())
}

fn of_this_name(
    pid: Pid,
    wanted: &str,
    is_it: impl FnOnce(&str) -> bool,
) -> Result<Runner, String> {
    let name = sys::program_name(pid)
        .ok_or_else(|| format!("its ancestor {pid} cannot be looked at in /proc"))?;
    if !is_it(&name) {
        return Err(format!("its ancestor {pid} is {name}, and no {wanted}"));
    }
    let (started, own) = (sys::started_at(pid), sys::started_at(Pid::this()));
    match (started, own) {
        (Some(started), Some(own)) if started <= own => Ok(Runner { pid, started }),
        _ => Err(format!("its ancestor {pid} is younger than the test")),
    }
}
