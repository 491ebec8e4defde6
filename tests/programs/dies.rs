//! Sends itself a deadly signal after a delay: `dies SIGNAL_NUMBER [DELAY_MS]`.
//!
//! It leaves no core file. It stays if the signal's default action does nothing.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{thread, time::Duration};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SigHandler, Signal, raise, signal},
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let number: i32 = args.next().ok_or("SIGNAL_NUMBER is missing")?.parse()?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;
    let deadly = Signal::try_from(number)?;

    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    thread::sleep(Duration::from_millis(delay));
    reset(deadly);
    raise(deadly)?;
    loop {
        thread::park();
    }
}

/// Restores the default action of the signal, which Rust's runtime changes for some (SIGPIPE, SIGSEGV).
/// The call fails for SIGKILL and SIGSTOP, whose action is always the default.
#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn reset(deadly: Signal) {
    // SAFETY: the default disposition installs no handler, so no code of this program runs in one.
    let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
}
