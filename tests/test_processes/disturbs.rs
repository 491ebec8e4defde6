//! A test process that disturbs its own executor: `disturbs DEED PIPE [PIPE_OF_FORK]`.
//!
//! Its service is `holds 2`, which has `PIPE` open. DEED is `ignores-signals` (the process ignores SIGCHLD and others,
//! and blocks some), `steals-statuses` (a thread calls `waitpid(-1)` all the time), or the action of a fork:
//! `fork-stays`, `fork-exits`, `fork-returns`, `fork-drops`, `fork-calls`, or `fork-starts` (the fork starts a service
//! of its own, which has `PIPE_OF_FORK` open, and forgets it). The process prints facts, then `ready`, and returns from
//! `main` at the end of its standard input.

use std::{
    io::{self, Read},
    mem, process, thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OutputExecutor, Signal};
use nix::{
    sys::{
        signal::{self, SigHandler, SigSet},
        wait::waitpid,
    },
    unistd::ForkResult,
};

use crate::{Args, Outcome, fork, holds, programs};

/// Signals 32 and 33. glibc reserves them, and programs that its `posix_spawn` starts ignore them.
const OF_THE_C_LIBRARY: u64 = 0b11 << 31;

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deed = args.next().ok_or("DEED is missing")?;
    let pipe = args.next().ok_or("PIPE is missing")?;
    match deed.as_str() {
        "ignores-signals" => ignores_signals(&pipe)?,
        "steals-statuses" => steals_statuses(&pipe)?,
        _ => {
            let pipe_of_fork = args.next().ok_or("PIPE_OF_FORK is missing")?;
            return forks(&deed, &pipe, &pipe_of_fork);
        }
    }
    wait_for_the_end()
}

fn wait_for_the_end() -> Outcome {
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn service_holding(pipe: &str) -> OutputExecutor {
    OutputExecutor::new(holds(pipe, "2"), "holding")
}

#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn ignores_signals(pipe: &str) -> Outcome {
    let mut blocked = SigSet::empty();
    for ignored in [
        signal::Signal::SIGCHLD,
        signal::Signal::SIGHUP,
        signal::Signal::SIGUSR1,
    ] {
        // SAFETY: ignoring a signal installs no handler, so no code of this program runs in one.
        unsafe { signal::signal(ignored, SigHandler::SigIgn) }?;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: ignoring a signal installs no handler, so no code of this program runs in one.
    let _ = unsafe { nix::libc::signal(nix::libc::SIGRTMAX(), nix::libc::SIG_IGN) };
    blocked.add(signal::Signal::SIGTERM);
    blocked.add(signal::Signal::SIGUSR2);
    blocked.thread_block()?;

    let service = service_holding(pipe).started()?;
    println!("stopped {:?}", service.stop()?.exit_code());

    let shown = OutputExecutor::new(programs(&["shows_environment"]), "done").started()?;
    for line in shown.output().text().lines() {
        if let Some((name @ ("SigBlk" | "SigIgn"), mask)) = line.split_once('=') {
            let mask = u64::from_str_radix(mask, 16)? & !OF_THE_C_LIBRARY;
            println!("{name} {mask:#x}");
        }
    }
    let early = OutputExecutor::new(programs(&["exits", "3"]), "never");
    let error = early.start().err().ok_or("it was ready though it ended")?;
    let early = error.kind() == ErrorKind::ProcessExitedWithError;
    println!("ended early: {early} {:?}", error.exit_code());
    Ok(())
}

fn steals_statuses(pipe: &str) -> Outcome {
    thread::spawn(|| {
        loop {
            if waitpid(None, None).is_err() {
                thread::yield_now();
            }
        }
    });
    for _ in 0..20 {
        let service = service_holding(pipe).started()?;
        println!("stopped {:?}", service.stop()?.exit_code());
    }
    Ok(())
}

fn forks(deed: &str, pipe: &str, pipe_of_fork: &str) -> Outcome {
    let service = service_holding(pipe).started()?;
    let ForkResult::Parent { child } = fork()? else {
        return in_the_fork(deed, service, pipe_of_fork);
    };
    println!("fork {child}");
    if deed == "fork-stays" {
        // Neither a drop nor the fork notifies the supervisor of the end. The signal wakes it now, so its next periodic
        // check comes late.
        service.signal(Signal::CONT)?;
        mem::forget(service);
    } else {
        println!("{:?}", waitpid(child, None)?);
        println!("running {}", service.running());
    }
    wait_for_the_end()
}

fn in_the_fork(deed: &str, service: OutputExecutor, pipe_of_fork: &str) -> Outcome {
    match deed {
        "fork-stays" => {
            thread::park_timeout(Duration::from_secs(60));
            process::exit(0)
        }
        "fork-exits" => process::exit(0),
        "fork-returns" => Ok(()),
        "fork-drops" => {
            drop(service);
            process::exit(0)
        }
        "fork-calls" => {
            service.start()?.signal(Signal::KILL)?.stop()?;
            service.kill()?.restart()?;
            let seen = (service.running(), service.pid(), service.exit_code());
            process::exit(i32::from(seen != (false, None, None)))
        }
        "fork-starts" => {
            let own = service_holding(pipe_of_fork).started()?;
            let runs = own.running();
            mem::forget(own);
            process::exit(i32::from(!runs))
        }
        _ => Err(format!("unknown deed {deed}").into()),
    }
}
