//! Ignores every signal that asks a program to end, prints a line and stays: `ignores_stop [LINE=ready]`.

use std::thread;

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    for asks in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        ignore(asks)?;
    }
    println!("{}", args.next().unwrap_or_else(|| "ready".to_owned()));
    loop {
        thread::park();
    }
}

#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn ignore(asks: Signal) -> nix::Result<()> {
    // SAFETY: ignoring a signal installs no handler, so no code of ours can run in one.
    unsafe { signal(asks, SigHandler::SigIgn) }?;
    Ok(())
}
