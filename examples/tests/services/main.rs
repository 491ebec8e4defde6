//! Tests of the ready-made services, with the real servers.

mod cache;
mod databases;
mod endings;
mod others;
mod postgres_server;
mod users;

use std::env;
use std::error::Error;
use std::process::{Command, Stdio};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Returns a command that runs one test of this file in another process.
fn in_another_process(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the path of this binary"));
    command
        .args(["--exact", test])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Returns a command that runs this script in a mount namespace of its own. `$0` is this binary.
#[cfg(target_os = "linux")]
fn in_another_namespace(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]);
    command.arg(env::current_exe().expect("the path of this binary"));
    command
}

/// Returns the entries of a directory that contain `name` in their names. The drop of a server must remove them.
fn left(directory: &str, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|found| found.contains(name)).collect()
}
