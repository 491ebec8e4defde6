//! A test process with a fork that uses what is its parent's: `forks DEED FILE`.
//!
//! Its service is `holds FILE 2`. DEED is `reads` (the fork waits for output until the service has ended,
//! which the parent does not look at before), `while-starting` (another thread is in a start when the
//! process forks; the fork then makes every call), `while-looking` (other threads look at the service all
//! the time while the process forks again and again; each fork looks at it once) or `has-a-slot` (the fork
//! ends, and with it its copies of what is the thread's). It prints facts, and returns from `main`.

use std::{
    env,
    fs::File,
    io::{self, PipeWriter, Read, Write},
    os::fd::AsFd,
    panic::{self, AssertUnwindSafe},
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
    fcntl::{Flock, FlockArg},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{self, kill},
        wait::waitpid,
    },
    unistd::ForkResult,
};

use crate::{Args, Outcome, fork, programs};

/// For what takes no time at all.
const SOON: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &mut Args) -> Outcome {
    let deed = args.next().ok_or("DEED is missing")?;
    let file = args.next().ok_or("FILE is missing")?;
    match deed.as_str() {
        "reads" => reads(&file),
        "while-starting" => while_starting(&file),
        "while-looking" => while_looking(&file),
        "has-a-slot" => has_a_slot(),
        _ => Err(format!("unknown deed {deed}").into()),
    }
}

fn holds(file: &str) -> Vec<String> {
    programs(&["holds", file, "2"])
}

fn reads(file: &str) -> Outcome {
    let service = OutputExecutor::new(holds(file), "holding").timeout(SOON);
    service.start()?;
    let (mut from_fork, mut to_parent) = io::pipe()?;
    let ForkResult::Parent { child } = fork()? else {
        to_parent.write_all(b"reading")?;
        drop(to_parent);
        while Flock::lock(File::open(file)?, FlockArg::LockExclusiveNonblock).is_err() {
            // At the end of the service at the latest it has been told of nothing more.
            drop(service.output().wait_for("never"));
        }
        drop(service.output().wait_for("never"));
        process::exit(0);
    };
    drop(to_parent);
    from_fork.read_to_end(&mut Vec::new())?;
    service.signal(Signal::KILL)?;
    println!("{:?}", waitpid(child, None)?.pid() == Some(child));
    service.wait_for(|| service.exit_code().is_some())?;
    println!("exit code {:?}", service.exit_code());
    println!("running {}", service.running());
    let stopped = service.stop().map(drop);
    println!("stop {:?}", stopped.map_err(|error| error.kind()));
    Ok(())
}

fn while_starting(file: &str) -> Outcome {
    let (asked, is_asked) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel::<()>();
    let go_on = Mutex::new(go_on);
    let service = Executor::when(holds(file), move |_: &Context| {
        let _ = asked.send(());
        // Until the other end is dropped.
        go_on.lock().is_ok_and(|go_on| go_on.recv().is_err())
    });
    let service = Arc::new(service.env("SCRATCH", "{tmpdir}"));
    let starting = thread::spawn({
        let service = Arc::clone(&service);
        move || service.start().map(drop)
    });
    is_asked.recv()?;

    let told = told_by_a_fork(|told| calls(&service, told))?;
    print!("{told}");

    drop(let_go);
    starting.join().map_err(|_| "the start panicked")??;
    println!("running {}", service.running());
    Ok(())
}

fn while_looking(file: &str) -> Outcome {
    // Each is a race; `FORKS` gives it more.
    let forks = env::var("FORKS").map_or(Ok(600), |forks| forks.parse::<u32>())?;
    let service = OutputExecutor::new(holds(file), "(?<word>hold)ing").started()?;
    let look = |_| {
        let _ = (service.captured("word"), service.command(), service.pid());
        let _ = (service.running(), service.port(), service.output().text());
    };
    // Those that hold their locks for most of the time.
    let lookers: [&(dyn Fn() + Sync); 3] = [
        &|| drop(service.command()),
        &|| drop(service.captured("word")),
        &|| drop(service.captured("word")),
    ];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for looker in lookers {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    looker();
                }
            });
        }
        let told = (0..forks).try_for_each(|_| match told_by_a_fork(look) {
            Ok(told) if told.is_empty() => Ok(()),
            Ok(told) => Err(told.into()),
            Err(error) => Err(error),
        });
        done.store(true, Ordering::Relaxed);
        told
    })?;
    println!("running {}", service.running());
    Ok(())
}

/// What a fork says that does this; it is no fork any more then.
fn told_by_a_fork(deed: impl FnOnce(PipeWriter)) -> Outcome<String> {
    let (mut from_fork, to_parent) = io::pipe()?;
    let ForkResult::Parent { child } = fork()? else {
        deed(to_parent);
        process::exit(0);
    };
    drop(to_parent);
    // The end of the file shows that it has done it all.
    let mut told = Vec::new();
    loop {
        let mut fds = [PollFd::new(from_fork.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::try_from(SOON)?)? == 0 {
            told.extend_from_slice(b"the fork hangs\n");
            kill(child, signal::Signal::SIGKILL)?;
        }
        let mut bytes = [0; 100];
        match from_fork.read(&mut bytes)? {
            0 => break,
            len => told.extend_from_slice(&bytes[..len]),
        }
    }
    if waitpid(child, None)?.pid() != Some(child) {
        return Err("somebody else was reaped".into());
    }
    Ok(String::from_utf8(told)?)
}

fn has_a_slot() -> Outcome {
    let own = mirakuru::slot();
    let ForkResult::Parent { child } = fork()? else {
        // As a test's process ends: what is the thread's is dropped.
        process::exit(0);
    };
    waitpid(child, None)?;
    let another = thread::spawn(mirakuru::slot).join();
    println!("another slot {}", another.is_ok_and(|slot| slot != own));
    Ok(())
}

/// Tells of each call whether it panicked.
fn calls<R: Readiness>(service: &Executor<R>, mut told: PipeWriter) {
    panic::set_hook(Box::new(|_| {}));
    let mut tell = |name: &str, call: &dyn Fn()| {
        let panicked = panic::catch_unwind(AssertUnwindSafe(call)).is_err();
        drop(writeln!(told, "{name} {panicked}"));
    };
    tell("running", &|| assert!(!service.running()));
    tell("start", &|| drop(service.start().map(drop)));
    tell("stop", &|| drop(service.stop().map(drop)));
    tell("restart", &|| drop(service.restart().map(drop)));
    tell("stopped", &|| drop(service.stopped()));
    tell("output", &|| drop(service.output().wait_for("never")));
    tell("tmpdir", &|| drop(service.tmpdir()));
    tell("socket", &|| drop(service.socket()));
    tell("filename", &|| drop(service.filename()));
}
