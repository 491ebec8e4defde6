//! The services that tests start: `programs NAME WORD...`, with a file for each behaviour.
//!
//! All behaviours are in one program, which is linked once. The program does not link the library under test, so a
//! supervisor treats it like any other program. Test processes are in `test_processes`.

mod answers;
mod binds_unix;
mod blackhole;
mod calls_supervisor;
mod chain;
mod clients;
mod dies;
mod exits;
mod floods;
mod forks_fast;
mod holds;
mod http_service;
mod ignores_stop;
mod kills_everyone;
mod leaves_daemon;
mod listens_late;
mod main_thread_ends;
mod meets;
mod prints;
mod reopens_output;
mod reports;
mod says_in_turn;
mod shows_environment;
mod single_threaded;
mod stops_itself;
mod swaps;
mod writes_pid;

use std::{
    env::{self, Args},
    error::Error,
    io,
    process::Command,
};

type Outcome = Result<(), Box<dyn Error>>;

/// The name of a behaviour, and its function, which takes the remaining arguments.
type Behaviour = (&'static str, fn(&mut Args) -> Outcome);

const BEHAVIOURS: [Behaviour; 26] = [
    ("answers", answers::run),
    ("binds_unix", binds_unix::run),
    ("blackhole", blackhole::run),
    ("calls_supervisor", calls_supervisor::run),
    ("chain", chain::run),
    ("clients", clients::run),
    ("dies", dies::run),
    ("exits", exits::run),
    ("floods", floods::run),
    ("forks_fast", forks_fast::run),
    ("holds", holds::run),
    ("http_service", http_service::run),
    ("ignores_stop", ignores_stop::run),
    ("kills_everyone", kills_everyone::run),
    ("leaves_daemon", leaves_daemon::run),
    ("listens_late", listens_late::run),
    ("main_thread_ends", main_thread_ends::run),
    ("meets", meets::run),
    ("prints", prints::run),
    ("reopens_output", reopens_output::run),
    ("reports", reports::run),
    ("says_in_turn", says_in_turn::run),
    ("shows_environment", shows_environment::run),
    ("stops_itself", stops_itself::run),
    ("swaps", swaps::run),
    ("writes_pid", writes_pid::run),
];

fn main() -> Outcome {
    let mut args = env::args();
    let name = args.nth(1).ok_or("NAME is missing")?;
    let named = BEHAVIOURS.iter().find(|(own, _)| *own == name);
    let (_, run) = named.ok_or_else(|| format!("unknown behaviour {name}"))?;
    run(&mut args)
}

/// Returns a command that runs this program again with the behaviour of this name.
fn again(name: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(name);
    Ok(command)
}
