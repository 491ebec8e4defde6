//! Dies by a signal that it sends to itself, after a delay: `dies SIGNAL_NUMBER [DELAY_MS]`.
//!
//! It leaves no core file, and stays where the signal's default is to do nothing.
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

/// Gives the signal back its default effect, which Rust's runtime takes from some (SIGPIPE, SIGSEGV).
/// SIGKILL and SIGSTOP cannot be set, and need not be.
#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn reset(deadly: Signal) {
    // SAFETY: the default disposition installs no handler, so no code of ours can run in one.
    let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
}
