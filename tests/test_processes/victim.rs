//! A test process that ends while its service runs: `victim HOLDING ENDING WORD...`.
//!
//! HOLDING names the owner of the executor: `local`, `static` or `forgotten`. The service is the command WORD..., ready
//! when it prints a line. Then the victim prints `tmpdir PATH` (the service's private directory), `supervisor PID` and
//! `ready`, and waits for the end of its standard input. ENDING names how it ends: `return`, `panic`, `exit`, `abort`,
//! `exec`, `exit-while-starting`, in which other threads start and stop more of these services all the time, or
//! `exit-while-stopping`, in which a thread stops the static service after the exit has sent the stop signal and the
//! service has printed `asked`.
//!
//! Variables of the environment: `STOP_TIMEOUT_MS` and `KILL_SIGNAL` configure the executor. `KEEP_IN` names the parent
//! of the private directory, which is kept unless `KEEP` is `false`. `SERVICE_USER` is the service's user.
//! `HANDLES_WINCH` installs a handler for SIGWINCH.

use std::{
    env, fs,
    io::{self, Read},
    mem,
    os::unix::process::CommandExt,
    process::{self, Command},
    sync::OnceLock,
    thread,
    time::Duration,
};

use mirakuru::{OutputExecutor, Signal};
use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as Number, sigaction, signal},
};

use crate::{Args, Outcome, programs};

static SERVICE: OnceLock<OutputExecutor> = OnceLock::new();

pub(crate) fn run(args: &mut Args) -> Outcome {
    let holding = args.next().ok_or("HOLDING is missing")?;
    let ending = args.next().ok_or("ENDING is missing")?;
    let words: Vec<String> = args.collect();
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    reset_signals();
    if env::var_os("HANDLES_WINCH").is_some() {
        handle_winch()?;
    }

    let executor = service(&words).started()?;
    println!("tmpdir {}", executor.tmpdir().display());
    let local = match holding.as_str() {
        "local" => Some(executor),
        "static" => {
            SERVICE.set(executor).map_err(|_| "set twice")?;
            None
        }
        "forgotten" => {
            mem::forget(executor);
            None
        }
        _ => return Err(format!("unknown holding {holding}").into()),
    };
    for pid in supervisors()? {
        println!("supervisor {pid}");
    }
    if ending == "exit-while-starting" {
        for _ in 0..3 {
            let words = words.clone();
            thread::spawn(move || {
                loop {
                    // The library refuses a start once the process exits.
                    drop(service(&words).started());
                }
            });
        }
    }
    if ending == "exit-while-stopping" {
        thread::spawn(|| {
            let service = SERVICE.get().expect("a static executor");
            let _ = service.output().wait_for("asked");
            let _ = service.stop();
        });
    }
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    end(&ending)?;
    drop(local);
    Ok(())
}

/// Restores the default action of signals. The caller of the tests may ignore some (`nohup`, a shell's `&`), and a
/// child inherits that.
#[expect(
    unsafe_code,
    reason = "a signal's disposition is set by an unsafe call"
)]
fn reset_signals() {
    for ignored in [Number::SIGHUP, Number::SIGINT, Number::SIGQUIT] {
        // SAFETY: the default disposition installs no handler, so no code of this program runs in one.
        let _ = unsafe { signal(ignored, SigHandler::SigDfl) };
    }
}

/// Installs a handler for SIGWINCH, as terminal libraries do.
#[expect(unsafe_code, reason = "a handler is set by an unsafe call")]
fn handle_winch() -> nix::Result<()> {
    extern "C" fn nothing(_: i32) {}
    let handler = SigHandler::Handler(nothing);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing, which is safe at any moment.
    unsafe { sigaction(Number::SIGWINCH, &action) }.map(drop)
}

fn service(words: &[String]) -> OutputExecutor {
    let service = OutputExecutor::new(words, ".").env("SCRATCH", "{tmpdir}");
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|number| number.parse::<u64>().ok())
    };
    let service = match env::var_os("KEEP_IN") {
        Some(parent) => {
            let keep = env::var("KEEP").map_or(true, |keep| keep == "true");
            service.tmpdir_in(parent).keep_tmpdir(keep)
        }
        None => service,
    };
    let service = match env::var("SERVICE_USER") {
        Ok(user) => service.user(user).cwd("/"),
        Err(_) => service,
    };
    let service = match number("STOP_TIMEOUT_MS") {
        Some(ms) => service.stop_timeout(Duration::from_millis(ms)),
        None => service,
    };
    match number("KILL_SIGNAL").map(i32::try_from) {
        Some(Ok(signal)) => service.kill_signal(Signal::from_raw(signal)),
        _ => service,
    }
}

/// Ends the process as ENDING requires, or returns for a return from `main`.
fn end(ending: &str) -> Outcome {
    match ending {
        "return" => Ok(()),
        "panic" => panic!("as asked"),
        "exit" | "exit-while-starting" | "exit-while-stopping" => process::exit(0),
        "abort" => process::abort(),
        "exec" => {
            let prints = programs(&["prints", "another program"]);
            Err(Command::new(&prints[0]).args(&prints[1..]).exec().into())
        }
        _ => Err(format!("unknown ending {ending}").into()),
    }
}

/// Returns the pids of the supervisors among this process's children.
fn supervisors() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        for pid in children.split_whitespace() {
            if fs::read_to_string(format!("/proc/{pid}/comm"))?.trim_end() == "mirakuru" {
                found.push(pid.to_owned());
            }
        }
    }
    Ok(found)
}
