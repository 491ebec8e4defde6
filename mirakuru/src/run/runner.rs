//! Who runs the tests: found, not believed.
//!
//! An environment variable can be inherited, or made up. So the ancestors are looked at: while one of
//! them has our exact `NEXTEST_RUN_ID` it was started by that run, and the first without it must be a
//! nextest that is older than we are. That holds with double-spawning, wrapper scripts, target runners
//! and debuggers in between. A cargo among those who have it was started by a test of that run, and passes
//! it on: then the run is cargo's. Under `cargo test` alone the parent must be cargo.

use crate::sys::{self, Pid};

/// The process whose life is that of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runner {
    pub(crate) pid: Pid,
    /// When it started, in the kernel's ticks: pids are given again.
    pub(crate) started: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cargo,
    Nextest,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Nextest => "nextest",
        }
    }

    /// Whether a program of this name is one: nextest is `cargo-nextest` too, and on NixOS `cargo` is a
    /// script that starts `.cargo-wrapped`.
    fn is(self, program: &str) -> bool {
        match self {
            Self::Cargo => matches!(program, "cargo" | ".cargo-wrapped"),
            Self::Nextest => program.contains("nextest"),
        }
    }
}

/// The runner of this test process, or why it cannot be told.
pub(crate) fn find() -> Result<Runner, String> {
    let cargo = || of_this_kind(sys::parent(), Kind::Cargo);
    match std::env::var("NEXTEST_RUN_ID") {
        Ok(id) => cargo().or_else(|_| above(&format!("NEXTEST_RUN_ID={id}"))),
        Err(_) => cargo(),
    }
}

/// More ancestors than any wrapper has.
const MOST_ANCESTORS: usize = 64;

fn above(mark: &str) -> Result<Runner, String> {
    let mut ancestor = sys::parent();
    for _ in 0..MOST_ANCESTORS {
        if !sys::carries(ancestor, mark) {
            return of_this_kind(ancestor, Kind::Nextest);
        }
        if let Ok(cargo) = of_this_kind(ancestor, Kind::Cargo) {
            return Ok(cargo);
        }
        let stat = sys::proc_stat(ancestor);
        ancestor = stat
            .ok_or_else(|| format!("its ancestors {}", sys::UNSEEN))?
            .parent;
    }
    Err("it has too many ancestors".to_owned())
}

fn of_this_kind(pid: Pid, kind: Kind) -> Result<Runner, String> {
    let name =
        sys::program_name(pid).ok_or_else(|| format!("its ancestor {pid} {}", sys::UNSEEN))?;
    if !kind.is(&name) {
        let wanted = kind.name();
        return Err(format!("its ancestor {pid} is {name}, and no {wanted}"));
    }
    match started_before(pid, Pid::this()) {
        Some(started) => Ok(Runner { pid, started, kind }),
        None => Err(format!("its ancestor {pid} is younger than the test")),
    }
}

/// Returns when this process started, if it is no younger than the test.
fn started_before(pid: Pid, test: Pid) -> Option<u64> {
    let started = sys::started_at(pid)?;
    (started <= sys::started_at(test)?).then_some(started)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::loopback::program_that_ends;

    #[test]
    fn a_process_that_is_younger_than_the_test_is_no_runner() {
        let own = sys::started_at(Pid::this()).expect("procfs");
        assert_eq!(started_before(Pid::this(), Pid::this()), Some(own));
        // The kernel's clock may not have ticked since the test started.
        let is_younger = || {
            let mut child = program_that_ends().spawn().expect("this program");
            let pid = sys::process_of(child.id()).expect("a pid");
            let is_younger = sys::started_at(pid) > Some(own);
            if is_younger {
                assert_eq!(started_before(pid, Pid::this()), None);
                assert_eq!(started_before(Pid::this(), pid), Some(own));
            }
            child.wait().expect("a child");
            is_younger
        };
        while !is_younger() {}
    }
}
