//! The test processes that tests start: `test_processes NAME WORD...`, with a file for each behaviour.
//!
//! Each uses the library as a test does, so its supervisors run this program again. The services are in `programs`.

mod disturbs;
mod forks;
mod holds_port;
#[cfg(target_os = "linux")]
mod reaches_limits;
mod reuses_a_pid;
mod starts_and_stops;
mod victim;

use std::{
    env::{self, Args},
    error::Error,
    iter,
};

use mirakuru_tests::hold::command_holding;
use nix::unistd::{self, ForkResult};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The name of a behaviour, and its function, which takes the remaining arguments.
type Behaviour = (&'static str, fn(&mut Args) -> Outcome);

const BEHAVIOURS: &[Behaviour] = &[
    ("disturbs", disturbs::run),
    ("forks", forks::run),
    ("holds_port", holds_port::run),
    #[cfg(target_os = "linux")]
    ("reaches_limits", reaches_limits::run),
    ("reuses_a_pid", reuses_a_pid::run),
    ("starts_and_stops", starts_and_stops::run),
    ("victim", victim::run),
];

fn main() -> Outcome {
    let mut args = env::args();
    let name = args.nth(1).ok_or("NAME is missing")?;
    let named = BEHAVIOURS.iter().find(|(own, _)| *own == name);
    let (_, run) = named.ok_or_else(|| format!("unknown behaviour {name}"))?;
    run(&mut args)
}

/// Returns a command for `holds`, with this many children and the pipe at this path.
fn holds(pipe: &str, children: &str) -> Vec<String> {
    let words = programs(&["holds", children]);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    command_holding(pipe, &words)
}

/// Returns the words of a command for a service. The program of the services is next to this one.
fn programs(words: &[&str]) -> Vec<String> {
    let own = env::current_exe().unwrap_or_default();
    let program = own.with_file_name("programs").display().to_string();
    let words = words.iter().map(|word| (*word).to_owned());
    iter::once(program).chain(words).collect()
}

/// Forks the test process.
#[expect(unsafe_code, reason = "forking is the behaviour")]
fn fork() -> nix::Result<ForkResult> {
    // SAFETY: the child calls only functions that the library documents as callable in a fork, which the tests check,
    // and functions that the C library keeps usable there, such as `malloc`.
    unsafe { unistd::fork() }
}
