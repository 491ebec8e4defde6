//! Reuses the pid of a service's main process that has ended. The new process must not receive the signals for the
//! service: `reuses_a_pid PIPE`.
//!
//! The daemon that the service left has PIPE open. The program prints `heard nothing`, or the exit status of the new
//! process. It needs root, and a pid namespace of its own, in which no other process starts processes.

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use mirakuru::{OutputExecutor, Signal};
use mirakuru_tests::hold::script_holding;

use crate::{Args, Outcome, programs};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let pipe = args.next().ok_or("PIPE is missing")?;
    let daemon = programs(&["leaves_daemon", "--ignore-term"]);
    let script = script_holding(&pipe, "echo main $$; exec \"$0\" \"$@\"");
    let words = ["sh", "-c", &script].map(str::to_owned);
    let service = OutputExecutor::new([&words[..], &daemon].concat(), "daemon")
        .stop_timeout(Duration::from_millis(200))
        .started()?;
    service.wait_for(|| service.exit_code() == Some(0))?;
    let text = service.output().text();
    let main = text.lines().find_map(|line| line.strip_prefix("main "));
    let mut other = with_pid(main.ok_or("the service printed no pid")?.parse()?)?;

    service.signal(Signal::TERM)?.stop()?.kill()?;
    let mut echo = String::new();
    let (stdin, stdout) = (other.stdin.take(), other.stdout.take());
    // The process may be gone. Its exit status shows that below.
    let _ = stdin.ok_or("piped")?.write_all(b"heard nothing\n");
    stdout.ok_or("piped")?.read_to_string(&mut echo)?;
    let ended = other.wait()?;
    if ended.success() {
        print!("{echo}");
    } else {
        println!("{ended}");
    }
    Ok(())
}

/// Starts a process that has this pid, leads a process group of its own, and echoes its input.
fn with_pid(pid: u32) -> Outcome<Child> {
    for _ in 0..100 {
        // The kernel assigns the next free number to the next process.
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())?;
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        if child.id() == pid {
            return Ok(child);
        }
        child.kill()?;
        child.wait()?;
    }
    Err("no process got the pid".into())
}
