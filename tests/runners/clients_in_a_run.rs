//! Tests that `runners` runs under runners of its own, one test per run. A service of the run has several clients: each
//! of the statics below is one.
#![cfg(target_os = "linux")]

mod attached_in_a_run;
mod without_room_in_a_run;

use std::{
    env, fs,
    os::fd::RawFd,
    process::Command,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, Shared, Signal};
use mirakuru_tests::{
    hold::script_holding,
    processor::{fields, parent_of},
};
use nix::{
    sys::{
        signal::{self, kill},
        socket::{Shutdown, UnixAddr, getpeername, shutdown},
    },
    unistd::Pid,
};

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");

static FIRST: Shared<OutputExecutor> = Shared::per_run("of several", service);
static SECOND: Shared<OutputExecutor> = Shared::per_run("of several", service);
static THIRD: Shared<OutputExecutor> = Shared::per_run("of several", service);

/// A number of restarts whose messages do not fit into the buffer of a socket.
const MANY: usize = 150;

/// Returns a service that is not ready while a file `closed` exists. Each start appends its pid to a file.
fn service() -> OutputExecutor {
    let script = format!(
        "cd {}; echo $$ >> pids; while [ -e closed ]; do sleep 0.01; done; echo ready; exec {PROGRAM} holds",
        path(""),
    );
    OutputExecutor::new(holding(&script), "ready").shell(true)
}

/// Returns a script that runs `script` with the pipe open that `runners` watches.
fn holding(script: &str) -> String {
    let pipe = env::var("HOLD").expect("it is run by `runners`");
    script_holding(&pipe, script)
}

/// Returns the path of a file in the directory that `runners` reads.
fn path(name: &str) -> String {
    let directory = env::var("IN_A_RUN").expect("it is run by `runners`");
    format!("{directory}/{name}")
}

fn starts() -> usize {
    let pids = fs::read_to_string(path("pids")).unwrap_or_default();
    pids.lines().count()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// A frozen supervisor. Dropping it thaws the process.
struct Frozen(Pid);

impl Frozen {
    fn supervisor_of(service: &OutputExecutor) -> Self {
        let supervisor = supervisor_of(service);
        let frozen = Self(Pid::from_raw(supervisor.parse().expect("a pid")));
        kill(frozen.0, signal::SIGSTOP).expect("it lives");
        wait_until(|| fields(&supervisor)[0] == "T");
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill(self.0, signal::SIGCONT);
    }
}

/// Returns the pid of a service's supervisor.
fn supervisor_of(service: &OutputExecutor) -> String {
    let pid = service.pid().expect("it runs");
    parent_of(pid).to_string()
}

/// Returns the descriptors of the clients that connected to the supervisor's socket. A client that started its
/// supervisor has a socket pair instead.
fn connections() -> Vec<RawFd> {
    let has_connected =
        |fd: &RawFd| getpeername::<UnixAddr>(*fd).is_ok_and(|peer: UnixAddr| peer.path().is_some());
    let entries = fs::read_dir("/proc/self/fd").expect("procfs");
    let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(has_connected).collect()
}

/// Waits until there is a connection, and returns the first one.
fn connection() -> RawFd {
    loop {
        if let Some(fd) = connections().first() {
            return *fd;
        }
        thread::yield_now();
    }
}

#[test]
fn frozen_one_is_not_replaced() {
    let first = FIRST.get().expect("it starts");
    let pid = first.pid();
    thread::scope(|scope| {
        let frozen = Frozen::supervisor_of(first);
        let second = scope.spawn(|| SECOND.get().map(drop));
        // The client fails as if the supervisor had missed its deadline.
        shutdown(connection(), Shutdown::Both).expect("it is connected");
        let error = second
            .join()
            .expect("no panic")
            .expect_err("the supervisor does not answer");
        assert_eq!(error.kind(), ErrorKind::Io);
        let text = error.to_string();
        assert!(
            text.contains("reach the supervisor that the run shares"),
            "{text}"
        );

        let third = scope.spawn(|| THIRD.get().expect("it is there").pid());
        connection();
        assert!(!third.is_finished());
        drop(frozen);
        assert_eq!(third.join().expect("no panic"), pid);
    });
    assert_eq!(SECOND.get().expect("it is there").pid(), pid);
    assert_eq!(starts(), 1);
}

#[test]
fn frozen_one_is_waited_for_by_the_first_alone() {
    let first = FIRST.get().expect("it starts");
    let pid = first.pid();
    let frozen = Frozen::supervisor_of(first);
    SECOND.get().expect_err("the supervisor does not answer");
    let begun = Instant::now();
    let error = THIRD
        .get()
        .expect_err("the supervisor does not answer")
        .to_string();
    let elapsed = begun.elapsed();
    assert!(
        error.contains("reach the supervisor that the run shares"),
        "{error}"
    );
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    drop(frozen);
    assert_eq!(SECOND.get().expect("it is there").pid(), pid);
    // The supervisor has answered again, so the next wait has the whole timeout.
    let frozen = Frozen::supervisor_of(first);
    thread::scope(|scope| {
        let third = scope.spawn(|| THIRD.get().expect("it is there").pid());
        wait_until(|| connections().len() == 2);
        drop(frozen);
        assert_eq!(third.join().expect("no panic"), pid);
    });
    assert_eq!(starts(), 1);
}

#[test]
fn frozen_one_keeps_its_directory() {
    let first = FIRST.get().expect("it starts");
    let second = SECOND.get().expect("it is there");
    let directory = second.tmpdir();
    let _frozen = Frozen::supervisor_of(first);
    // The client fails as if the supervisor had dropped it.
    shutdown(connection(), Shutdown::Both).expect("it is connected");
    assert_eq!(second.tmpdir(), directory);
    assert_eq!(starts(), 1);
}

/// Returns three clients. Two of them have made no call while the first has restarted the service many times.
fn with_two_idle_clients() -> [&'static OutputExecutor; 3] {
    let clients = [&FIRST, &SECOND, &THIRD].map(|client| client.get().expect("it is there"));
    for _ in 0..MANY {
        clients[0].restart().expect("it starts again");
    }
    clients
}

#[test]
fn idle_one_sees_it_run() {
    let [first, second, third] = with_two_idle_clients();
    assert!(second.running());
    assert_eq!(second.pid(), first.pid());
    // `holding` is the last line of output, after the banner.
    wait_until(|| third.output().text() == "ready\nholding\n");
    assert_eq!(first.output().text(), "ready\nholding\n");
    assert_eq!(third.pid(), first.pid());
}

#[test]
fn idle_one_has_the_same_one() {
    let [first, second, third] = with_two_idle_clients();
    let pid = first.pid();
    for client in [&SECOND, &THIRD] {
        assert_eq!(client.get().expect("it is there").pid(), pid);
    }
    assert_eq!([first.pid(), second.pid(), third.pid()], [pid; 3]);
    assert_eq!(starts(), 1 + MANY);
}

#[test]
fn idle_one_can_have_it_started_again() {
    let [first, second, third] = with_two_idle_clients();
    for (client, count) in [(second, MANY + 2), (third, MANY + 3)] {
        client.restart().expect("it starts again");
        assert!(first.running());
        assert_eq!(first.pid(), client.pid());
        assert_eq!(starts(), count);
    }
    assert_eq!(second.pid(), first.pid());
}

/// The supervisor waits up to ten seconds for a client with an open request, and does not wait for any other client.
#[test]
fn client_that_does_not_read_blocks_no_other_client() {
    let first = FIRST.get().expect("it starts");
    SECOND.get().expect("it is there");
    for _ in 0..MANY {
        let begun = Instant::now();
        first.signal(Signal::KILL).expect("it runs");
        wait_until(|| !first.running());
        FIRST.get().expect("it starts again");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// `runners` sets a queue timeout of zero, so the client reports an error while the restart holds the lock.
#[test]
fn client_waits_for_the_restart_by_another_client() {
    let first = FIRST.get().expect("it starts");
    let second = SECOND.get().expect("it is there");
    fs::write(path("closed"), "").expect("own directory");
    thread::scope(|scope| {
        let restart = scope.spawn(|| first.restart().map(drop));
        wait_until(|| starts() == 2);
        let (got, running) = (SECOND.get().map(drop), second.running());
        fs::remove_file(path("closed")).expect("own file");
        let error = got.expect_err("it is not ready yet");
        let text = error.to_string();
        assert!(
            text.contains("failed to take a lock of the shared fixture"),
            "{text}"
        );
        assert!(!running);
        restart.join().expect("no panic").expect("it is ready");
    });
    assert_eq!(SECOND.get().expect("it is ready").pid(), first.pid());
}

#[test]
fn restart_by_another_client_is_known_at_once() {
    let first = FIRST.get().expect("it starts");
    let second = SECOND.get().expect("it is there");
    // Both orders: the supervisor serves the client first that connected first.
    for (one, other) in [(second, first), (first, second)] {
        for _ in 0..MANY / 5 {
            one.restart().expect("it starts again");
            assert!(other.running());
            assert_eq!(other.pid(), one.pid());
        }
    }
}

/// Sets the flag when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One thread reads the messages for all threads that share a client. A thread that calls `running` while the reader is
/// about to receive the news of a restart must wait for it; otherwise it starts a second service. The variable `ROUNDS`
/// sets the number of outages.
#[test]
fn threads_that_look_in_an_outage_start_nothing() {
    let rounds = env::var("ROUNDS").map_or(MANY, |rounds| rounds.parse().expect("a number"));
    let [first, second] = [&FIRST, &SECOND].map(|client| client.get().expect("it is there"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // The flag is also set if an outage fails, because the scope waits for its threads.
        let _ends = Ends(&over);
        for (client, executor) in [(&FIRST, first), (&SECOND, second)] {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = executor.running();
                }
            });
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = executor.running();
                    client.get().expect("it runs, or starts again");
                }
            });
        }
        for _ in 0..rounds {
            let outage = first.stopped().expect("it stops");
            outage.restart().expect("it starts again");
            THIRD.get().expect("it is there");
        }
    });
    assert_eq!(starts(), 1 + rounds);
}

/// `runners` sets a queue timeout of zero, so another thread reports an error while the outage goes on.
#[test]
fn outage_with_a_start_in_it_is_waited_for() {
    let first = FIRST.get().expect("it starts");
    let outage = first.stopped().expect("it stops");
    first.start().expect("it starts in the outage");
    let get = || thread::scope(|scope| scope.spawn(|| FIRST.get().map(drop)).join());
    let error = get().expect("no panic").expect_err("the outage goes on");
    assert!(error.to_string().contains("cannot be locked"), "{error}");
    outage.restart().expect("it runs");
    get().expect("no panic").expect("the outage is over");
    assert_eq!(starts(), 2);
}

#[test]
fn starter_of_one_that_died_needs_no_connection() {
    let first = FIRST.get().expect("it starts");
    first.signal(Signal::KILL).expect("it runs");
    wait_until(|| !first.running());
    FIRST.get().expect("it starts again");
    assert_eq!(connections(), []);
    assert_eq!(starts(), 2);
}

#[test]
fn client_of_another_start_ends_its_own_supervisor() {
    fn fails_once() -> OutputExecutor {
        let script = format!(
            "cd {}; echo $PPID >> supervisors; mkdir failed && exit 1; echo ready; exec {PROGRAM} holds",
            path(""),
        );
        OutputExecutor::new(holding(&script), "ready").shell(true)
    }
    static FAILED: Shared<OutputExecutor> = Shared::per_run("fails once", fails_once);
    static OTHER: Shared<OutputExecutor> = Shared::per_run("fails once", fails_once);
    FAILED.get().expect_err("the first start fails");
    OTHER.get().expect("the second start succeeds");
    FAILED.get().expect("it is there");
    let supervisors = fs::read_to_string(path("supervisors")).expect("own file");
    let lives = |pid: &str| fs::exists(format!("/proc/{pid}")).expect("procfs");
    let lives: Vec<_> = supervisors.lines().map(lives).collect();
    assert_eq!(lives, [false, true]);
}

#[test]
fn member_without_a_supervisor_gets_a_port_that_its_peer_knows() {
    fn pair() -> [OutputExecutor; 2] {
        let script = format!("echo peer $PEER; exec {PROGRAM} holds");
        let peer = OutputExecutor::new(holding(&script), "^peer (?<peer>[0-9]+)$").shell(true);
        [
            service().env("PORT", "{port}").name("first"),
            peer.env("PEER", "{first.port}").name("second"),
        ]
    }
    static STARTER: Shared<[OutputExecutor; 2]> = Shared::per_run("pair", pair);
    static CLIENT: Shared<[OutputExecutor; 2]> = Shared::per_run("pair", pair);
    let [first, _] = STARTER.get().expect("it starts");
    let supervisor = supervisor_of(first).parse().expect("a pid");
    kill(Pid::from_raw(supervisor), signal::SIGKILL).expect("it lives");
    wait_until(|| !first.running());
    let [first, second] = CLIENT.get().expect("it starts again");
    assert_eq!(second.captured("peer"), Some(first.port().to_string()));
    assert_eq!(starts(), 2);
}

/// The client must adopt what another client has started, and needs a file for it. An error is better than a stop of the
/// service, which the other client uses.
#[test]
fn client_without_a_temporary_directory_leaves_it_running() {
    fn logs() -> OutputExecutor {
        service().log_file(path("log"))
    }
    static STARTER: Shared<OutputExecutor> = Shared::per_run("logs", logs);
    static CLIENT: Shared<OutputExecutor> = Shared::per_run("logs", logs);
    let temporary = path("temporary");
    fs::create_dir(&temporary).expect("own directory");
    tempfile::env::override_temp_dir(temporary.as_ref()).expect("no test has set it");
    let [first, second] = [&STARTER, &CLIENT].map(|one| one.get().expect("it is there"));
    first.restart().expect("it starts again");
    let pid = first.pid();
    fs::remove_dir(&temporary).expect("its files have no names");
    let error = CLIENT.get().expect_err("the client has no file");
    assert!(error.to_string().contains("copy its log file"), "{error}");
    assert_eq!(first.pid(), pid);
    fs::create_dir(&temporary).expect("own directory");
    assert_eq!(CLIENT.get().expect("it is there").pid(), pid);
    assert_eq!((second.pid(), starts()), (pid, 2));
}

/// Runs cargo with the arguments from the variable `INNER`, as a test of a cargo tool may do.
fn run_inner_tests() {
    let words = env::var("INNER").expect("it is run by `runners`");
    let mut inner = Command::new(env!("CARGO"));
    // The inner tests must not start a third run.
    inner.args(words.split(' ')).env_remove("INNER");
    let inner = inner.output().expect("cargo");
    let [output, errors] =
        [&inner.stdout, &inner.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(inner.status.success(), "{output}{errors}");
    // Cargo prints the summary to stdout, nextest to stderr.
    let ran = [&output, &errors]
        .iter()
        .any(|text| text.contains("1 passed"));
    assert!(ran, "it did not run:\n{output}{errors}");
}

#[test]
fn outer_one_stays_as_it_is() {
    let outer = FIRST.get().expect("it starts").pid();
    run_inner_tests();
    assert_eq!(FIRST.pid(), outer);
    assert_eq!(starts(), 2);
}

#[test]
fn inner_one_is_another() {
    FIRST.get().expect("it starts");
    assert_eq!(starts(), 2);
}

#[test]
fn outer_slot_is_that_of_nextest() {
    assert_eq!(mirakuru::slot(), 0);
    // The slot is that of the test, so all its threads have it.
    let of_thread = thread::spawn(mirakuru::slot).join();
    assert_eq!(of_thread.expect("no panic"), 0);
    run_inner_tests();
}

/// Under `cargo test`, each thread has a slot.
#[test]
fn inner_slots_differ() {
    let both = Barrier::new(2);
    let slot = || {
        let slot = mirakuru::slot();
        both.wait();
        slot
    };
    let [one, other] = thread::scope(|scope| {
        [scope.spawn(slot), scope.spawn(slot)].map(|thread| thread.join().expect("no panic"))
    });
    assert_ne!(one, other);
}
