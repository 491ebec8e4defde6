//! Tests that `runners` runs under runners of its own, one in each run: a service of the run has several
//! clients, as each of these statics is one.
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
use mirakuru_tests::hold::script_holding;
use nix::{
    sys::{
        signal::{self, kill},
        socket::{Shutdown, UnixAddr, getpeername, shutdown},
    },
    unistd::Pid,
};

/// The program of every service; its first word names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");

static FIRST: Shared<OutputExecutor> = Shared::per_run("of several", service);
static SECOND: Shared<OutputExecutor> = Shared::per_run("of several", service);
static THIRD: Shared<OutputExecutor> = Shared::per_run("of several", service);

/// More than what a socket holds of the news of a service that starts and ends.
const MANY: usize = 150;

/// It is not ready as long as there is a file `closed`. Each start leaves its pid.
fn service() -> OutputExecutor {
    let script = format!(
        "cd {}; echo $$ >> pids; while [ -e closed ]; do sleep 0.01; done; echo ready; exec {PROGRAM} holds",
        path(""),
    );
    OutputExecutor::new(holding(&script), "ready").shell(true)
}

/// A script that runs this one with the pipe that `runners` looks at.
fn holding(script: &str) -> String {
    let pipe = env::var("HOLD").expect("it is run by `runners`");
    script_holding(&pipe, script)
}

/// A file in the directory that `runners` looks at.
fn path(name: &str) -> String {
    let directory = env::var("IN_A_RUN").expect("it is run by `runners`");
    format!("{directory}/{name}")
}

fn starts() -> usize {
    let pids = fs::read_to_string(path("pids")).unwrap_or_default();
    pids.lines().count()
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

/// The supervisor of a service, frozen until this is dropped.
struct Frozen(Pid);

impl Frozen {
    fn supervisor_of(service: &OutputExecutor) -> Self {
        let supervisor = supervisor_of(service);
        let frozen = Self(Pid::from_raw(supervisor.parse().expect("a pid")));
        kill(frozen.0, signal::SIGSTOP).expect("it lives");
        wait_until(|| standing(&supervisor).0 == "T");
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill(self.0, signal::SIGCONT);
    }
}

/// The pid of the supervisor of a service.
fn supervisor_of(service: &OutputExecutor) -> String {
    let pid = service.pid().expect("it runs");
    standing(&pid.to_string()).1
}

/// The state of a process, and its parent.
fn standing(pid: &str) -> (String, String) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    let mut fields = after_name.split(' ').map(str::to_owned);
    let mut next = || fields.next().expect("a field");
    (next(), next())
}

/// The connections of those who came to the supervisor by its socket. The others got theirs by inheritance.
fn connections() -> Vec<RawFd> {
    let came =
        |fd: &RawFd| getpeername::<UnixAddr>(*fd).is_ok_and(|peer: UnixAddr| peer.path().is_some());
    let entries = fs::read_dir("/proc/self/fd").expect("procfs");
    let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(came).collect()
}

/// The first of them, once there is one.
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
        // As if the time were over in which it has to answer.
        shutdown(connection(), Shutdown::Both).expect("it is connected");
        let error = second.join().expect("no panic").expect_err("no answer");
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
    SECOND.get().expect_err("no answer");
    let begun = Instant::now();
    let error = THIRD.get().expect_err("no answer").to_string();
    let elapsed = begun.elapsed();
    assert!(
        error.contains("reach the supervisor that the run shares"),
        "{error}"
    );
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    drop(frozen);
    assert_eq!(SECOND.get().expect("it is there").pid(), pid);
    // What it was is forgotten: it has all the time again.
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
    // As if it had dropped this client.
    shutdown(connection(), Shutdown::Both).expect("it is connected");
    assert_eq!(second.tmpdir(), directory);
    assert_eq!(starts(), 1);
}

/// Two of them hold it and make no call, while the other restarts it often.
fn after_a_long_idleness() -> [&'static OutputExecutor; 3] {
    let clients = [&FIRST, &SECOND, &THIRD].map(|client| client.get().expect("it is there"));
    for _ in 0..MANY {
        clients[0].restart().expect("it starts again");
    }
    clients
}

#[test]
fn idle_one_sees_it_run() {
    let [first, second, third] = after_a_long_idleness();
    assert!(second.running());
    assert_eq!(second.pid(), first.pid());
    // The last that it prints, behind its banner.
    wait_until(|| third.output().text() == "ready\nholding\n");
    assert_eq!(first.output().text(), "ready\nholding\n");
    assert_eq!(third.pid(), first.pid());
}

#[test]
fn idle_one_has_the_same_one() {
    let [first, second, third] = after_a_long_idleness();
    let pid = first.pid();
    for client in [&SECOND, &THIRD] {
        assert_eq!(client.get().expect("it is there").pid(), pid);
    }
    assert_eq!([first.pid(), second.pid(), third.pid()], [pid; 3]);
    assert_eq!(starts(), 1 + MANY);
}

#[test]
fn idle_one_can_have_it_started_again() {
    let [first, second, third] = after_a_long_idleness();
    for (client, count) in [(second, MANY + 2), (third, MANY + 3)] {
        client.restart().expect("it starts again");
        assert!(first.running());
        assert_eq!(first.pid(), client.pid());
        assert_eq!(starts(), count);
    }
    assert_eq!(second.pid(), first.pid());
}

/// The supervisor waits for ten seconds for who asked it something, and for nobody else.
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

/// With no time to queue for it.
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
            text.contains("failed to lock what the run shares"),
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
    // One of them, and then the other: who came first is asked first by the supervisor.
    for (one, other) in [(second, first), (first, second)] {
        for _ in 0..MANY / 5 {
            one.restart().expect("it starts again");
            assert!(other.running());
            assert_eq!(other.pid(), one.pid());
        }
    }
}

/// Says so when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A thread reads for all that share its client. Where one takes a look while another is about to read
/// that the service was started anew, and does not wait for it, it starts another. `ROUNDS` gives the
/// race more time.
#[test]
fn threads_that_look_in_an_outage_start_nothing() {
    let rounds = env::var("ROUNDS").map_or(MANY, |rounds| rounds.parse().expect("a number"));
    let [first, second] = [&FIRST, &SECOND].map(|client| client.get().expect("it is there"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also where an outage fails: the scope waits for its threads.
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
                    client.get().expect("it is there, or comes up again");
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

/// Runs what the variable says, as a test may that is about cargo.
fn runs_the_inner_one() {
    let words = env::var("INNER").expect("it is run by `runners`");
    let mut inner = Command::new(env!("CARGO"));
    // Whatever it runs starts no further one.
    inner.args(words.split(' ')).env_remove("INNER");
    let inner = inner.output().expect("cargo");
    let [said, errors] =
        [&inner.stdout, &inner.stderr].map(|reported| String::from_utf8_lossy(reported));
    assert!(inner.status.success(), "{said}{errors}");
    // Cargo says so on the one, nextest on the other.
    let ran = [&said, &errors]
        .iter()
        .any(|said| said.contains("1 passed"));
    assert!(ran, "it did not run:\n{said}{errors}");
}

#[test]
fn outer_one_stays_as_it_is() {
    let outer = FIRST.get().expect("it starts").pid();
    runs_the_inner_one();
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
    runs_the_inner_one();
}

/// Under `cargo test` each thread has one.
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
