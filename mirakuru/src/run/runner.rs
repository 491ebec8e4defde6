//! Finds the process that runs the tests.
//!
//! An environment variable alone is not enough, as it can be inherited or set by hand. So the search walks up the
//! ancestors. A process with exactly our `NEXTEST_RUN_ID` was started by that run. The first ancestor without it must
//! be a nextest that is older than this process. This holds with double-spawning, wrapper scripts, target runners and
//! debuggers in between.
//!
//! If a cargo is among the ancestors with the variable, a test of that run started it, and it passes the variable on.
//! In that case the run is cargo's. Under plain `cargo test`, the parent must be cargo.

use crate::sys::{self, Pid};

/// The process that lives as long as the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runner {
    pub(crate) pid: Pid,
    /// The start time in the kernel's ticks, as pids are reused.
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

    /// Returns whether a program of this name is such a runner.
    ///
    /// Nextest is also called `cargo-nextest`. On NixOS, `cargo` is a script that starts `.cargo-wrapped`.
    fn is(self, program: &str) -> bool {
        match self {
            Self::Cargo => matches!(program, "cargo" | ".cargo-wrapped"),
            Self::Nextest => program.contains("nextest"),
        }
    }
}

/// Returns the runner of this test process.
///
/// # Errors
///
/// The reason why the runner cannot be determined.
pub(crate) fn find() -> Result<Runner, String> {
    let cargo = || of_this_kind(sys::parent(), Kind::Cargo);
    match std::env::var("NEXTEST_RUN_ID") {
        Ok(id) => cargo().or_else(|_| above(&format!("NEXTEST_RUN_ID={id}"))),
        Err(_) => cargo(),
    }
}

/// A limit for the number of ancestors, above that of any real wrapper.
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
            .ok_or_else(|| format!("the test's ancestors {}", sys::UNSEEN))?
            .parent;
    }
    Err("the test has too many ancestors".to_owned())
}

fn of_this_kind(pid: Pid, kind: Kind) -> Result<Runner, String> {
    let name = sys::program_name(pid)
        .ok_or_else(|| format!("the test's ancestor {pid} {}", sys::UNSEEN))?;
    if !kind.is(&name) {
        let wanted = kind.name();
        return Err(format!("the test's ancestor {pid} is {name}, not {wanted}"));
    }
    match started_before(pid, Pid::this()) {
        Some(started) => Ok(Runner { pid, started, kind }),
        None => Err(format!("the ancestor {pid} is younger than the test")),
    }
}

/// Returns when this process started, if it is not younger than the test.
fn started_before(pid: Pid, test: Pid) -> Option<u64> {
    let started = sys::started_at(pid)?;
    (started <= sys::started_at(test)?).then_some(started)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::loopback::program_that_ends;

    #[test]
    fn an_ancestor_that_is_no_runner_is_named_with_the_kind() {
        for (kind, name) in [(Kind::Cargo, "cargo"), (Kind::Nextest, "nextest")] {
            let refused = of_this_kind(Pid::this(), kind).expect_err("it is a test");
            assert!(refused.ends_with(&format!(", not {name}")), "{refused}");
        }
    }

    #[test]
    fn a_process_younger_than_the_test_is_not_its_runner() {
        let own = sys::started_at(Pid::this()).expect("procfs");
        assert_eq!(started_before(Pid::this(), Pid::this()), Some(own));
        // The child may start in the same tick of the kernel's clock as the test. The test then tries again.
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
