//! A test process at a limit: `reaches_limits LIMIT PIPE`.
//!
//! Its service is `holds`, which has `PIPE` open. LIMIT is `descriptors` (each number of free descriptors from none to
//! nineteen), `processes` (needs root), `inodes` or `space` (of its temporary directory, which is full), or `lease` (as
//! `space`, and the service has a port). The process prints one line per start: `KIND: its reason; its help`, or
//! `started`. At the end it prints `left: ` with the number of children and descriptors that it has in addition to
//! those at its start.

use std::{
    env,
    fs::{self, File},
    io,
    time::Duration,
};

use mirakuru::OutputExecutor;
use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::{Gid, Uid, setgid, setgroups, setuid},
};

use crate::{Args, Outcome, holds};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let args: Vec<String> = args.collect();
    let [limit, pipe] = &args[..] else {
        return Err("LIMIT or PIPE is missing".into());
    };
    let service = || OutputExecutor::new(holds(pipe, "0"), "holding");
    let start = || start_and_report(service().env("SCRATCH", "{tmpdir}"));
    let before = count()?;
    match limit.as_str() {
        "descriptors" => at_every_number_of_descriptors(start)?,
        "processes" => at_a_number_of_processes(start)?,
        "inodes" | "space" => start(),
        "lease" => start_and_report(service().env("PORT", "{port}")),
        _ => return Err(format!("unknown limit {limit}").into()),
    }
    let after = count()?;
    println!(
        "left: {} children, {} descriptors",
        after.0 - before.0,
        after.1 - before.1
    );
    Ok(())
}

/// Starts the service, and prints the outcome.
fn start_and_report(service: OutputExecutor) {
    let service = service.timeout(Duration::from_secs(5));
    match service.start() {
        Ok(_) => println!("started"),
        Err(error) => {
            let reported = error.to_string();
            let lines: Vec<_> = reported.lines().skip(1).map(str::trim).collect();
            println!("{:?}: {}", error.kind(), lines.join("; "));
        }
    }
}

/// Starts the service with each number of free descriptors from none to nineteen. The last of them suffice.
fn at_every_number_of_descriptors(start: impl Fn()) -> Outcome {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64)?;
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(one) => taken.push(one),
            Err(error) if error.raw_os_error() == Some(nix::libc::EMFILE) => break,
            Err(error) => return Err(error.into()),
        }
    }
    for _ in 0..20 {
        start();
        taken.pop();
    }
    Ok(())
}

/// Starts the service as `LIMITED_USER` with a limit of `LIMIT` processes. The limit cannot be raised again, so each
/// run tests one number.
fn at_a_number_of_processes(start: impl Fn()) -> Outcome {
    let limit: u64 = env::var("LIMIT")?.parse()?;
    let user: u32 = env::var("LIMITED_USER")?.parse()?;
    setgroups(&[])?;
    setgid(Gid::from_raw(user))?;
    setrlimit(Resource::RLIMIT_NPROC, limit, limit)?;
    setuid(Uid::from_raw(user))?;
    start();
    Ok(())
}

/// Counts the children and the descriptors of this process.
fn count() -> io::Result<(i64, i64)> {
    let mut children = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let listed = fs::read_to_string(task?.path().join("children"))?;
        children += listed.split_whitespace().count();
    }
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    let counted = (i64::try_from(children), i64::try_from(descriptors));
    Ok((counted.0.unwrap_or(i64::MAX), counted.1.unwrap_or(i64::MAX)))
}
