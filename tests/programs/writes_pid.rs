//! Writes its pid to a file after a delay, and stays: `writes_pid PATH [DELAY_MS]`.
#![expect(clippy::disallowed_methods, reason = "the delay is the behaviour")]

use std::{env, error::Error, fs, process, thread, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let path = args.next().ok_or("PATH is missing")?;
    let delay = args.next().map_or(Ok(0), |ms| ms.parse())?;

    thread::sleep(Duration::from_millis(delay));
    fs::write(path, format!("{}\n", process::id()))?;
    loop {
        thread::park();
    }
}
