//! Runs a program as the supervisor of this process, and prints the exit code of the program: `calls_supervisor
//! WORD...`.
//!
//! If this program is set-user-id, it takes on the rights of its owner instead and becomes the program WORD....

use std::{
    env::{self, Args},
    io::Write,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
};

use nix::unistd::{Uid, setuid};

use crate::Outcome;

pub(crate) fn run(args: &mut Args) -> Outcome {
    let program = args.next().ok_or("WORD is missing")?;
    let mut command = Command::new(program);
    command.args(args);
    if Uid::effective() != Uid::current() {
        setuid(Uid::effective())?;
        return Err(command.exec().into());
    }
    let (mut other, theirs) = UnixStream::pair()?;
    let name = env::var("MIRAKURU_SUPERVISOR")?;
    other.write_all(format!("mirakuru/handsh1{name}").as_bytes())?;
    // A supervisor exits with 0 when its socket closes.
    drop(other);
    let status = command.stdin(OwnedFd::from(theirs)).status()?;
    println!("{:?}", status.code());
    Ok(())
}
