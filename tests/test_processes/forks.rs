//! A test process with a fork that uses its parent's executor: `forks DEED PIPE`.
//!
//! Its service is `holds 2`, which has `PIPE` open. The process prints facts, and returns from `main`. DEED is one of:
//!
//! - `reads`: the fork waits for output until the service has ended. The parent makes no call before that.
//! - `while-starting`: another thread is in a start when the process forks. The fork then makes every call.
//! - `while-looking`: other threads query the service all the time while the process forks again and again. Each fork
//!   queries it once.
//! - `while-sweeping`: another thread removes the files of dead runs when the process forks. The fork then starts a
//!   service of its own.
//! - `has-a-slot`: the fork exits, and drops its copies of the thread's values.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, PipeWriter, Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use mirakuru::{Context, Executor, OutputExecutor, Readiness, Signal};
use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{self, kill},
        stat::Mode,
        wait::waitpid,
    },
    unistd::{ForkResult, getuid, mkfifo},
};

use crate::{Args, Outcome, fork, holds};

/// A bound for operations that take almost no time.
const SOON: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deed = args.next().ok_or("DEED is missing")?;
    let pipe = args.next().ok_or("PIPE is missing")?;
    match deed.as_str() {
        "reads" => reads(&pipe),
        "while-starting" => while_starting(&pipe),
        "while-looking" => while_looking(&pipe),
        "while-sweeping" => while_sweeping(&pipe),
        "has-a-slot" => has_a_slot(),
        _ => Err(format!("unknown deed {deed}").into()),
    }
}

fn reads(pipe: &str) -> Outcome {
    let service = OutputExecutor::new(holds(pipe, "2"), "holding").timeout(SOON);
    service.start()?;
    let (mut from_fork, mut to_parent) = io::pipe()?;
    let ForkResult::Parent { child } = fork()? else {
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(pipe)?;
        to_parent.write_all(b"reading")?;
        drop(to_parent);
        while !is_free(&pipe)? {
            // The fork waits for output until the service has ended. Its waits must take no message from the parent's
            // socket.
            drop(service.output().wait_for("never"));
        }
        drop(service.output().wait_for("never"));
        process::exit(0);
    };
    drop(to_parent);
    from_fork.read_to_end(&mut Vec::new())?;
    service.signal_group(Signal::KILL)?;
    println!("{:?}", waitpid(child, None)?.pid() == Some(child));
    service.wait_for(|| service.exit_code().is_some())?;
    println!("exit code {:?}", service.exit_code());
    println!("running {}", service.running());
    let stopped = service.stop().map(drop);
    println!("stop {:?}", stopped.map_err(|error| error.kind()));
    Ok(())
}

/// Returns whether no process holds the pipe any more. It must have been opened while one did. Its bytes stay unread.
fn is_free(pipe: &File) -> nix::Result<bool> {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO)?;
    let events = fds[0].revents();
    Ok(events.is_some_and(|events| events.contains(PollFlags::POLLHUP)))
}

fn while_starting(pipe: &str) -> Outcome {
    let (asked, is_asked) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel::<()>();
    let go_on = Mutex::new(go_on);
    let service = Executor::when(holds(pipe, "2"), move |_: &Context| {
        let _ = asked.send(());
        // The check blocks until the other end is dropped.
        go_on.lock().is_ok_and(|go_on| go_on.recv().is_err())
    });
    let service = Arc::new(service.env("SCRATCH", "{tmpdir}"));
    let starting = thread::spawn({
        let service = Arc::clone(&service);
        move || service.start().map(drop)
    });
    is_asked.recv()?;

    let reported = reported_by_a_fork(|reported| calls(&service, reported))?;
    print!("{reported}");

    drop(let_go);
    starting.join().map_err(|_| "the start panicked")??;
    println!("running {}", service.running());
    Ok(())
}

fn while_looking(pipe: &str) -> Outcome {
    // Each fork is one race. The variable `FORKS` sets their number.
    let forks = env::var("FORKS").map_or(Ok(600), |forks| forks.parse::<u32>())?;
    let service = OutputExecutor::new(holds(pipe, "2"), "(?<word>hold)ing").started()?;
    // The parent leases the port, because a fork cannot.
    let _ = service.port();
    let query = |_| {
        let _ = (service.captured("word"), service.command(), service.pid());
        let _ = (service.running(), service.port(), service.output().text());
    };
    // These calls hold their locks for most of the time.
    let callers: [&(dyn Fn() + Sync); 3] = [
        &|| drop(service.command()),
        &|| drop(service.captured("word")),
        &|| drop(service.captured("word")),
    ];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for caller in callers {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    caller();
                }
            });
        }
        let reported = (0..forks).try_for_each(|_| match reported_by_a_fork(query) {
            Ok(reported) if reported.is_empty() => Ok(()),
            Ok(reported) => Err(reported.into()),
            Err(error) => Err(error),
        });
        done.store(true, Ordering::Relaxed);
        reported
    })?;
    println!("running {}", service.running());
    Ok(())
}

/// Two named pipes take the place of run directories. The thread that sweeps opens each of them and waits for a writer.
fn while_sweeping(pipe: &str) -> Outcome {
    let locks = env::temp_dir().join(format!("mirakuru-{}", getuid()));
    fs::DirBuilder::new().mode(0o700).create(&locks)?;
    let mut pipes = vec![locks.join("run-1-1-1-1"), locks.join("run-1-1-1-2")];
    for path in &pipes {
        mkfifo(path, Mode::S_IRWXU)?;
    }
    let service = || OutputExecutor::new(holds(pipe, "2"), "holding").timeout(SOON);
    thread::scope(|scope| -> Outcome {
        let sweeping = scope.spawn(|| service().started().map(drop));
        // A pipe with a reader shows that the thread has reached it. Then the thread waits at the other pipe.
        let has_reader = |path: &PathBuf| {
            let mut options = OpenOptions::new();
            let options = options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
            options.open(path).is_ok()
        };
        let first = loop {
            match pipes.iter().position(has_reader) {
                Some(first) => break first,
                None => thread::yield_now(),
            }
        };
        pipes.swap_remove(first);
        let reported = reported_by_a_fork(|mut reported| {
            let started = service().started().map(drop);
            drop(writeln!(reported, "started {}", started.is_ok()));
        });
        // Opening both ends does not block.
        let last = OpenOptions::new().read(true).write(true).open(&pipes[0])?;
        let started = sweeping.join().map_err(|_| "the start panicked")?;
        drop(last);
        print!("{}", reported?);
        println!("running {}", started.is_ok());
        Ok(())
    })?;
    Ok(fs::remove_dir_all(&locks)?)
}

/// Runs `deed` in a fork and returns the text that it writes. The fork exits afterwards.
fn reported_by_a_fork(deed: impl FnOnce(PipeWriter)) -> Outcome<String> {
    let (mut from_fork, to_parent) = io::pipe()?;
    let ForkResult::Parent { child } = fork()? else {
        deed(to_parent);
        process::exit(0);
    };
    drop(to_parent);
    // The end of the pipe shows that the fork has finished.
    let mut reported = Vec::new();
    loop {
        let mut fds = [PollFd::new(from_fork.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::try_from(SOON)?)? == 0 {
            reported.extend_from_slice(b"the fork hangs\n");
            kill(child, signal::Signal::SIGKILL)?;
        }
        let mut bytes = [0; 100];
        match from_fork.read(&mut bytes)? {
            0 => break,
            len => reported.extend_from_slice(&bytes[..len]),
        }
    }
    if waitpid(child, None)?.pid() != Some(child) {
        return Err("another process was reaped".into());
    }
    Ok(String::from_utf8(reported)?)
}

fn has_a_slot() -> Outcome {
    let own = mirakuru::slot();
    let ForkResult::Parent { child } = fork()? else {
        // Like the end of a test process, this drops the values of the thread.
        process::exit(0);
    };
    waitpid(child, None)?;
    let another = thread::spawn(mirakuru::slot).join();
    println!("another slot {}", another.is_ok_and(|slot| slot != own));
    Ok(())
}

/// Makes each call, and writes whether it panicked.
fn calls<R: Readiness>(service: &Executor<R>, mut reported: PipeWriter) {
    panic::set_hook(Box::new(|_| {}));
    let mut report = |name: &str, call: &dyn Fn()| {
        let panicked = panic::catch_unwind(AssertUnwindSafe(call)).is_err();
        drop(writeln!(reported, "{name} {panicked}"));
    };
    report("running", &|| assert!(!service.running()));
    report("start", &|| drop(service.start().map(drop)));
    report("stop", &|| drop(service.stop().map(drop)));
    report("restart", &|| drop(service.restart().map(drop)));
    report("stopped", &|| drop(service.stopped()));
    report("output", &|| drop(service.output().wait_for("never")));
    report("tmpdir", &|| drop(service.tmpdir()));
    report("socket", &|| drop(service.socket()));
    report("filename", &|| drop(service.filename()));
}
