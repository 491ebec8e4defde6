//! Counts its own resources before and after many starts and stops: `starts_and_stops TIMES`.
//!
//! It prints `before: CHILDREN, DESCRIPTORS, THREADS, FILES` (in its temporary directory), then `inherited: ` with the
//! descriptors that another child inherits without a running service and with one, and after TIMES starts of each kind
//! `after:`. It starts and drops new executors, restarts one, and lets starts fail.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use mirakuru::{OutputExecutor, TcpExecutor};

use crate::{Args, Outcome, programs};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let times: usize = args.next().ok_or("TIMES is missing")?.parse()?;
    println!("before: {}", count()?);

    let alone = descriptors_of_another_child()?;
    let restarted = holds().started()?;
    println!("inherited: {alone}; {}", descriptors_of_another_child()?);
    for _ in 0..times {
        drop(holds().started()?);
        restarted.restart()?;
        fails(OutputExecutor::new(["/no such program"], "."))?;
        fails(OutputExecutor::new(programs(&["exits", "3"]), "never"))?;
        fails(holds().cwd("/no such directory"))?;
    }
    let listens = programs(&["listens_late", "{port}", "60000"]);
    let late = TcpExecutor::new(listens, "127.0.0.1", 0);
    let late = late.timeout(Duration::from_millis(50));
    late.start()
        .err()
        .ok_or("it was ready before it listened")?;
    drop((late, restarted));

    println!("after: {}", count()?);
    Ok(())
}

fn holds() -> OutputExecutor {
    OutputExecutor::new(programs(&["holds", "1"]), "holding").env("SCRATCH", "{tmpdir}")
}

fn fails(executor: OutputExecutor) -> Outcome {
    let executor = executor.env("SCRATCH", "{tmpdir}");
    executor.start().err().ok_or("it started anyway")?;
    Ok(())
}

fn count() -> io::Result<String> {
    let mut children = 0;
    let mut threads = 0;
    for task in fs::read_dir("/proc/self/task")? {
        threads += 1;
        let listed = fs::read_to_string(task?.path().join("children"))?;
        children += listed.split_whitespace().count();
    }
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    let files = fs::read_dir(env::temp_dir())?.count();
    Ok(format!("{children}, {descriptors}, {threads}, {files}"))
}

/// Returns the descriptors that a child of this process inherits if it is not a service.
fn descriptors_of_another_child() -> Outcome<String> {
    let shows = programs(&["shows_environment"]);
    let mut child = Command::new(&shows[0])
        .args(&shows[1..])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("piped")?;
    let mut seen = Err("the child printed no descriptors".into());
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(fds) = line.strip_prefix("fds=") {
            seen = Ok(fds.to_owned());
        }
        if line == "done" {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    seen
}
