//! Writes its pid to a file after a delay, and stays: `writes_pid PATH [DELAY_MS]`.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{fs, process, thread, time::Duration};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let path = args.next().ok_or("PATH is missing")?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;

    thread::sleep(Duration::from_millis(delay));
    fs::write(path, format!("{}\n", process::id()))?;
    loop {
        thread::park();
    }
}
