//! Exits with a code, after a delay: `exits CODE [DELAY_MS]`.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{process, thread, time::Duration};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let code = args.next().ok_or("CODE is missing")?.parse()?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;
    thread::sleep(Duration::from_millis(delay));
    process::exit(code)
}
