//! Prints its inherited state, one fact per line, then `done`, and stays: `shows_environment [NAME...]`.
//!
//! The facts: `NAME=value` for each NAME (or `NAME is not set`), `args`, `cwd`, `umask`,
//! `nofile`, `uid`, `gid`, `fds`; and on Linux `nice`, `SigIgn`, `SigBlk` and `Groups`. Rust's runtime
//! ignores SIGPIPE before `main`, so its bit (0x1000) is always set in `SigIgn`.

use std::{env, fs, io, thread};

use nix::{
    sys::{
        resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t},
        stat::{Mode, umask},
    },
    unistd::{getgid, getuid},
};

use crate::{Args, Outcome};

pub(crate) fn run(args: &mut Args) -> Outcome {
    let fds = descriptors()?;
    let names: Vec<String> = args.collect();
    for name in &names {
        match env::var_os(name) {
            Some(value) => println!("{name}={}", value.display()),
            None => println!("{name} is not set"),
        }
    }
    println!("args={names:?}");
    println!("cwd={}", env::current_dir()?.display());
    println!("umask={:03o}", umask(Mode::empty()));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    println!("nofile={}:{}", limit(soft), limit(hard));
    println!("uid={}\ngid={}", getuid(), getgid());
    println!("fds={}", fds.join(","));
    if cfg!(target_os = "linux") {
        // The name of the program, in parentheses, may hold spaces; the 17th field after it is the niceness.
        let stat = fs::read_to_string("/proc/self/stat")?;
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        println!("nice={}", after_name.split(' ').nth(16).unwrap_or_default());
        for line in fs::read_to_string("/proc/self/status")?.lines() {
            let Some((name @ ("SigIgn" | "SigBlk" | "Groups"), value)) = line.split_once(':')
            else {
                continue;
            };
            println!("{name}={}", value.trim());
        }
    }
    println!("done");
    loop {
        thread::park();
    }
}

/// Returns the numbers of the open descriptors, without the descriptor that lists them.
fn descriptors() -> io::Result<Vec<String>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/dev/fd")? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    numbers.sort_unstable();
    // The descriptor of the listing is closed now.
    numbers.retain(|number| fs::symlink_metadata(format!("/dev/fd/{number}")).is_ok());
    Ok(numbers.iter().map(u32::to_string).collect())
}

fn limit(value: rlim_t) -> String {
    if value == RLIM_INFINITY {
        "unlimited".to_owned()
    } else {
        value.to_string()
    }
}
