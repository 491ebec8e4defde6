//! The owner of a tree: the end of the executor or of the test process ends the tree, the end of a thread or a fork
//! does not. Other tests kill the supervisor and check the rest of its tree.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OutputExecutor, PidExecutor, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{bounds::comes_to_an_end, hold::Hold};
use nix::sys::signal::Signal;

use crate::{
    PROGRAM, TEST_PROCESS,
    processes::{Process, parent_of},
    victim::Victim,
};

const SOON: Duration = Duration::from_secs(15);

fn disturbs(deed: &str, hold: &Hold, hold_of_fork: &Hold) -> Victim {
    let mut command = Command::new(TEST_PROCESS);
    command.arg("disturbs");
    Victim::start(command.args([deed, hold.path(), hold_of_fork.path()]))
}

const DAEMON: [&str; 4] = [PROGRAM, "leaves_daemon", "--ignore-term", "--main-stays"];

fn daemon_with_its_environment(hold: &Hold) -> OutputExecutor {
    OutputExecutor::new(hold.command(&DAEMON), "daemon")
}

#[test]
fn a_service_outlives_the_thread_that_started_it() {
    let service = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0);
    thread::scope(|scope| {
        scope
            .spawn(|| service.start().map(drop))
            .join()
            .expect("no panic")
    })
    .expect("it starts");
    let pid = service.pid().expect("it runs");
    let supervisor = Process::open(parent_of(pid)).expect("it lives");

    // A parent-death signal that depends on the thread would have killed the processes.
    let main = Process::open(pid).expect("it lives");
    assert!(!main.ended_within(Duration::from_millis(200)));
    assert!(!supervisor.ended_within(Duration::ZERO));
    assert!(service.running());
    std::net::TcpStream::connect(service.addr()).expect("it answers");
    service.stop().expect("it ends as asked");
}

#[test]
fn a_service_does_not_inherit_ignored_or_blocked_signals() {
    let hold = Hold::new();
    let mut victim = disturbs("ignores-signals", &hold, &hold);
    assert_eq!(
        victim.facts,
        [
            "stopped Some(-15)",
            "SigBlk 0x0",
            // SIGPIPE, which the Rust runtime of the printing program ignores.
            "SigIgn 0x1000",
            "ended early: true Some(3)",
        ]
    );
    assert!(hold.is_free());
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
}

#[test]
fn a_test_process_that_reaps_every_child_breaks_no_stop() {
    let hold = Hold::new();
    let mut victim = disturbs("steals-statuses", &hold, &hold);
    assert_eq!(victim.facts, ["stopped Some(-15)"; 20]);
    assert!(hold.is_free());
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
}

#[test]
fn a_fork_does_not_keep_the_tree_alive_after_a_sigkill() {
    let hold = Hold::new();
    let (victim, fork) = with_a_fork_that_stays(&hold);
    victim.signal(Signal::SIGKILL);
    // The fork holds the socket to the supervisor during this time.
    assert!(hold.is_free_within(SOON), "a process of the tree is left");
    assert!(!fork.ended_within(Duration::ZERO));
    fork.signal(Signal::SIGKILL);
}

/// The end of the test process wakes the supervisor, although the socket stays open. Without that wake-up the
/// supervisor would notice a second later, because every wait has a fallback of one second.
#[test]
fn a_fork_does_not_delay_the_end_of_the_tree() {
    let is_at_once = |_| {
        let hold = Hold::new();
        let (mut victim, fork) = with_a_fork_that_stays(&hold);
        victim.signal(Signal::SIGKILL);
        victim.wait();
        let is_at_once = hold.is_free_within(Duration::from_millis(700));
        fork.signal(Signal::SIGKILL);
        is_at_once
    };
    // A busy machine may be late by chance.
    assert!((0..3).any(is_at_once), "it was late each time");
}

#[test]
fn a_fork_does_not_keep_the_tree_alive_after_a_normal_exit() {
    let hold = Hold::new();
    let (mut victim, fork) = with_a_fork_that_stays(&hold);
    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(!fork.ended_within(Duration::ZERO));
    fork.signal(Signal::SIGKILL);
}

/// Starts a test process with a fork. The fork exits by itself if the test fails before it kills the fork.
fn with_a_fork_that_stays(hold: &Hold) -> (Victim, Process) {
    let victim = disturbs("fork-stays", hold, hold);
    let [fork] = &victim.facts[..] else {
        panic!("{:?}", victim.facts);
    };
    let fork = fork.strip_prefix("fork ").expect("its pid");
    let fork = Process::open(fork.parse().expect("a pid")).expect("it lives");
    (victim, fork)
}

#[test]
fn a_fork_that_calls_exit_does_not_stop_the_tree() {
    assert_tree_outlives_fork("fork-exits");
}

#[test]
fn a_fork_that_returns_from_main_does_not_stop_the_tree() {
    assert_tree_outlives_fork("fork-returns");
}

#[test]
fn a_handle_that_is_dropped_in_a_fork_does_not_stop_the_tree() {
    assert_tree_outlives_fork("fork-drops");
}

#[test]
fn a_handle_does_nothing_in_a_fork() {
    assert_tree_outlives_fork("fork-calls");
}

#[test]
fn a_service_that_a_fork_starts_is_gone_when_the_fork_exits() {
    assert_tree_outlives_fork("fork-starts");
}

fn assert_tree_outlives_fork(deed: &str) {
    let (hold, hold_of_fork) = (Hold::new(), Hold::new());
    let mut victim = disturbs(deed, &hold, &hold_of_fork);
    // Most forks start no process, so `is_free` would panic.
    assert!(
        !hold_of_fork.is_held(),
        "a process that the fork started is left"
    );
    let [fork, ended, running] = &victim.facts[..] else {
        panic!("{:?}", victim.facts);
    };
    let fork = fork.strip_prefix("fork ").expect("its pid");
    assert_eq!(*ended, format!("Exited(Pid({fork}), 0)"));
    assert_eq!(running, "running true");
    assert!(!hold.is_free(), "the tree is running");

    victim.go_on();
    assert_eq!(victim.wait().code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn processes_left_by_a_killed_supervisor_are_swept_and_reported() {
    let hold = Hold::new();
    let service = daemon_with_its_environment(&hold);
    service.start().expect("it starts");
    let line = service.output().text();
    let daemon = line.trim_end().strip_prefix("daemon ").expect("its pid");
    let main = service.pid().expect("it runs");
    let (supervisor, main_process) = (
        Process::open(parent_of(main)).expect("it lives"),
        Process::open(main).expect("it lives"),
    );

    supervisor.signal(Signal::SIGKILL);
    assert!(
        main_process.ended_within(SOON),
        "the kernel kills the service"
    );
    assert!(!hold.is_free(), "the daemon lives");
    let error = service.stop().expect_err("the supervisor was killed");
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(supervisor.was_reaped());
    assert_eq!(error.kind(), ErrorKind::Io);
    let command = service.command();
    assert_eq!(
        error.to_string(),
        format!(
            "`{command}` was lost
  reason:      its supervisor was killed from outside
  note:        left by the service, and killed now: pid {daemon}: {}",
            DAEMON.join(" ")
        )
    );
}

#[test]
fn a_service_starts_again_after_its_supervisor_was_killed() {
    let hold = Hold::new();
    let service = daemon_with_its_environment(&hold).env("SCRATCH", "{tmpdir}");
    // The daemon ignores the stop signal.
    let service = service.stop_timeout(Duration::from_millis(200));
    service.start().expect("it starts");
    let first = service.pid().expect("it runs");
    let supervisor = Process::open(parent_of(first)).expect("it lives");
    supervisor.signal(Signal::SIGKILL);
    assert!(supervisor.ended_within(SOON));

    service.start().expect("it starts again");
    let second = service.pid().expect("it runs");
    assert_ne!(first, second);
    assert!(service.tmpdir().is_dir());
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of a tree is left");
    let directory = service.tmpdir();
    drop(service);
    assert!(!directory.exists());
}

#[test]
fn the_next_supervisor_reserves_the_port_of_a_killed_one() {
    let service = SimpleExecutor::new(["sh", "-c", "exec sleep 60", "{port}"]);
    service.start().expect("it starts");
    let port = service.port();
    Process::supervisor_of(&service).signal(Signal::SIGKILL);
    service.stop().expect_err("the supervisor was killed");
    service.start().expect("it starts again");
    assert_eq!(service.port(), port);
    let other = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port);
    let error = other.start().expect_err("the port has an owner");
    assert!(
        error.to_string().contains("has reserved the port"),
        "{error}"
    );
    service.stop().expect("it ends as asked");
}

#[test]
fn a_drop_sweeps_processes_that_a_killed_supervisor_left() {
    let hold = Hold::new();
    let service = daemon_with_its_environment(&hold).env("SCRATCH", "{tmpdir}");
    service.start().expect("it starts");
    let directory = service.tmpdir();
    let supervisor = Process::supervisor_of(&service);
    supervisor.signal(Signal::SIGKILL);
    drop(service);
    assert!(hold.is_free(), "a process of the tree is left");
    assert!(!directory.exists(), "its directory is left");
    assert!(supervisor.was_reaped());
}

#[test]
fn a_sweep_ends_a_process_whose_first_thread_has_ended() {
    let hold = Hold::new();
    let script = format!("setsid {PROGRAM} main_thread_ends {{tmpdir}}/flushed & exec sleep 1000");
    let service = OutputExecutor::new(hold.script(&script), "^ready$").shell(true);
    service.start().expect("it starts");
    let supervisor = Process::supervisor_of(&service);
    supervisor.signal(Signal::SIGKILL);
    drop(service);
    assert!(hold.is_free(), "a process of the tree is left");
}

/// A handled signal interrupts every wait of the process, including the wait for the supervisors at exit. The service
/// must get its whole stop timeout anyway.
#[test]
fn handled_signals_do_not_shorten_the_stop_at_exit() {
    let hold = Hold::new();
    let flushed = format!("{}/flushed", hold.scratch());
    // Longer than the two seconds that a tree gets if no process waits for its end.
    let script = "trap 'sleep 2.5; : > \"$0\"; exit 0' TERM; \"$@\" & while :; do sleep 0.02; done";
    let mut command = Command::new(TEST_PROCESS);
    command.arg("victim");
    command
        .args(["static", "return", "sh", "-c", script, &flushed])
        .args(hold.command(&[PROGRAM, "holds"]))
        .env("TMPDIR", hold.scratch())
        .env("HANDLES_WINCH", "1");
    let mut victim = Victim::start(&mut command);
    victim.go_on();
    let status = loop {
        match victim.ended() {
            Some(status) => break status,
            None => victim.signal(Signal::SIGWINCH),
        }
    };
    assert_eq!(status.code(), Some(0));
    assert!(hold.is_free(), "a process of the tree is left");
    assert_eq!(hold.left_in_scratch(), ["flushed"]);
}

#[test]
fn a_pid_file_that_a_killed_supervisor_left_is_removed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app.pid");
    let service = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], &path);
    service.start().expect("it starts");
    Process::supervisor_of(&service).signal(Signal::SIGKILL);
    let error = service.stop().expect_err("the supervisor was killed");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(!path.exists());
    service.start().expect("nothing is in the way");
    service.stop().expect("it ends as asked");
}

/// Makes a segment of System V shared memory.
const MAKES_SEGMENT: &str = "import ctypes, signal
print('segment', ctypes.CDLL(None).shmget(0, 4096, 0o1600), flush=True)
signal.pause()";

/// Uses a segment until the end of its input, and removes it.
const USES_SEGMENT: &str = "import ctypes, sys
memory, segment = ctypes.CDLL(None), int(sys.argv[1])
memory.shmat.restype = ctypes.c_void_p
memory.shmat(segment, None, 0)
print('attached', flush=True)
sys.stdin.read()
memory.shmctl(segment, 0, None)";

#[test]
fn memory_that_another_process_uses_is_not_waited_for_long() {
    let makes = ["python3", "-c", MAKES_SEGMENT];
    let service = OutputExecutor::new(makes, r"^segment (?<number>\d+)$");
    service.start().expect("it starts");
    let segment = service.captured("number").expect("a number");
    let mut user = Command::new("python3")
        .args(["-c", USES_SEGMENT, &segment])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut attached = String::new();
    let mut lines = BufReader::new(user.stdout.take().expect("piped"));
    lines.read_line(&mut attached).expect("text");
    assert_eq!(attached, "attached\n");
    Process::supervisor_of(&service).signal(Signal::SIGKILL);
    let error = comes_to_an_end(move || service.stop().expect_err("its supervisor was killed"));
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let exists = || {
        let table = fs::read_to_string("/proc/sysvipc/shm").expect("procfs");
        let mut numbers = table
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1));
        numbers.any(|number| number == segment)
    };
    assert!(exists(), "the other process uses it");
    drop(user.stdin.take());
    assert!(user.wait().expect("a child").success());
    assert!(!exists());
}
