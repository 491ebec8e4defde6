//! A frozen supervisor: a service that stops every process, or a debugger, can cause it. Calls that need the supervisor
//! wait for a bounded time. After that, neither the supervisor nor its tree is left.

use std::{
    os::fd::AsFd,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, Executor, OutputExecutor, Result};
use mirakuru_tests::{error_text::error_of, hold::Hold};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};

use crate::{
    PROGRAM, TEST_PROCESS,
    processes::{Process, parent_of},
    victim::Victim,
};

/// Far longer than the timeouts of these services.
const SOON: Duration = Duration::from_secs(20);
/// Longer than every wait for a supervisor.
const EVENTUALLY: Duration = Duration::from_secs(120);

/// A frozen supervisor. Dropping it kills the process if a failed test has left it.
struct Frozen(Process);

impl Frozen {
    /// Stops the service, and then freezes the supervisor that remains.
    fn after_the_stop_of(service: &OutputExecutor) -> Self {
        let supervisor = parent_of(service.pid().expect("it runs"));
        let supervisor = Self(Process::open(supervisor).expect("it lives"));
        service.stop().expect("it ends as asked");
        supervisor.0.signal(Signal::SIGSTOP);
        supervisor
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.0.was_reaped() {
            self.0.signal(Signal::SIGKILL);
        }
    }
}

fn without_directory(hold: &Hold) -> OutputExecutor {
    OutputExecutor::new(hold.command(&[PROGRAM, "holds", "2"]), "holding")
}

fn holds(hold: &Hold) -> OutputExecutor {
    without_directory(hold).env("SCRATCH", "{tmpdir}")
}

/// Returns the value of `run`, or `None` if it takes longer than `bound`. In that case its thread goes on.
fn within<T: Send + 'static>(
    bound: Duration,
    run: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(run()));
    receive.recv_timeout(bound).ok()
}

/// Asserts that a start fails at its timeout while the supervisor is frozen, and that the next start uses another one.
fn assert_start_times_out(hold: &Hold, service: OutputExecutor) {
    let service = service.timeout(Duration::from_secs(2));
    service.start().expect("it starts");
    let frozen = Frozen::after_the_stop_of(&service);
    let started = within(SOON, move || {
        let error = service.start().expect_err("the supervisor is frozen");
        (service, error)
    });
    let (service, error) = started.expect("it returns at its timeout");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
    assert!(!service.running());
    assert!(frozen.0.was_reaped(), "its supervisor is left");

    service.start().expect("another supervisor starts it");
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn a_start_with_a_frozen_supervisor_ends_at_its_timeout() {
    let hold = Hold::new();
    assert_start_times_out(&hold, holds(&hold));
}

#[test]
fn a_start_that_fills_the_socket_ends_at_its_timeout() {
    let hold = Hold::new();
    let big = (0..5).map(|name| (format!("BIG{name}"), "x".repeat(100_000)));
    assert_start_times_out(&hold, holds(&hold).envs(big));
}

#[test]
fn a_prepare_with_a_frozen_supervisor_ends_at_its_timeout() {
    let hold = Hold::new();
    let service = without_directory(&hold).timeout(Duration::from_secs(2));
    service.start().expect("it starts");
    let frozen = Frozen::after_the_stop_of(&service);
    let prepared = within(SOON, move || {
        let error = error_of(service.prepare());
        (service, error)
    });
    let (service, error) = prepared.expect("it returns at its timeout");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired, "{error}");
    assert!(frozen.0.was_reaped(), "its supervisor is left");
    service.prepare().expect("another supervisor prepares it");
    assert!(hold.is_free(), "a process of the tree is left");
}

/// Waits until a request has reached a frozen supervisor, which has read all earlier ones.
fn await_request(supervisor: &Process) {
    let sockets = supervisor.sockets();
    let requests = sockets
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
    let mut requests: Vec<_> = requests.collect();
    let bound = PollTimeout::try_from(EVENTUALLY).expect("a short bound");
    let came = poll(&mut requests, bound).expect("open descriptors");
    assert_ne!(came, 0, "no request arrives");
}

/// Asserts that a call fails if the supervisor is killed after the request of the call has reached it.
fn assert_reported(call: impl FnOnce(&OutputExecutor) -> Result<&OutputExecutor> + Send) {
    let hold = Hold::new();
    let service = without_directory(&hold);
    service.start().expect("it starts");
    let frozen = Frozen::after_the_stop_of(&service);
    let error = thread::scope(|scope| {
        let calls = scope.spawn(|| error_of(call(&service)));
        await_request(&frozen.0);
        frozen.0.signal(Signal::SIGKILL);
        calls.join().expect("no panic")
    });
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("its supervisor was killed from outside"),
        "{text}"
    );
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn a_supervisor_that_is_killed_during_a_launch_is_reported() {
    assert_reported(Executor::start);
}

#[test]
fn a_supervisor_that_is_killed_during_a_prepare_is_reported() {
    assert_reported(Executor::prepare);
}

#[test]
fn a_drop_with_a_frozen_supervisor_leaves_nothing() {
    let hold = Hold::new();
    let service = holds(&hold);
    service.start().expect("it starts");
    let frozen = Frozen::after_the_stop_of(&service);
    let directory = service.tmpdir();
    let dropped = within(EVENTUALLY, || drop(service));
    assert!(dropped.is_some(), "it hangs");
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(frozen.0.was_reaped(), "its supervisor is left");
    assert!(!directory.exists(), "its directory is left");
}

#[test]
fn an_exit_with_a_frozen_supervisor_leaves_nothing() {
    let hold = Hold::new();
    let mut command = Command::new(TEST_PROCESS);
    command.arg("victim");
    command
        .env("TMPDIR", hold.scratch())
        .env("STOP_TIMEOUT_MS", "0");
    command.args(["forgotten", "return"]);
    let mut victim = Victim::start(command.args(hold.command(&[PROGRAM, "holds", "2"])));
    victim.supervisors[0].signal(Signal::SIGSTOP);
    let begin = Instant::now();
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(begin.elapsed() < EVENTUALLY);
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(victim.supervisors[0].was_reaped(), "its supervisor is left");
    assert_eq!(hold.left_in_scratch(), [""; 0], "its directory is left");
}

/// Any number of threads can read the output that the supervisor wrote before. Requests that it does not answer
/// meanwhile do not end it.
#[test]
fn output_of_a_frozen_supervisor_can_be_read() {
    const THREADS: usize = 400;
    let hold = Hold::new();
    let service = holds(&hold);
    service.start().expect("it starts");
    let frozen = Frozen(Process::supervisor_of(&service));
    frozen.0.signal(Signal::SIGSTOP);
    let read = within(SOON, move || {
        let read = thread::scope(|scope| {
            let reading: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| service.output().text()))
                .collect();
            let texts = reading.into_iter().map(thread::ScopedJoinHandle::join);
            texts
                .filter(|text| matches!(text, Ok(text) if text == "holding\n"))
                .count()
        });
        (service, read)
    });
    let (service, read) = read.expect("no thread waits for long");
    assert_eq!(read, THREADS);
    frozen.0.signal(Signal::SIGCONT);
    assert!(service.running());
    service.stop().expect("it ends as asked");
    drop(service);
    assert!(hold.is_free(), "a process of the tree is left");
}
