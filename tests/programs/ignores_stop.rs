//! Ignores the signals that request an exit (SIGTERM, SIGINT, SIGHUP, SIGQUIT), prints a line and stays:
//! `ignores_stop [LINE=ready]`.

use std::thread;

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    for request in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        ignore(request)?;
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
fn ignore(request: Signal) -> nix::Result<()> {
    // SAFETY: ignoring a signal installs no handler, so no code of this program runs in one.
    unsafe { signal(request, SigHandler::SigIgn) }?;
    Ok(())
}
