//! Tests that `runners` runs under runners of its own. Most use one service of the run.
#![cfg(target_os = "linux")]

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::process::ExitStatusExt,
    process::Command,
    thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OutputExecutor, Shared, Signal, TcpExecutor, with_process};
use mirakuru_tests::hold::script_holding;
use nix::unistd::getppid;

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");

static SERVICE: Shared<OutputExecutor> = Shared::per_run("the service", || {
    // Each start appends a line.
    let script = format!("echo started >> {}; exec {PROGRAM} holds 1", path("starts"));
    OutputExecutor::new(holding(&script), "(?<word>holding)").shell(true)
});

/// Returns a script that runs `script` with the pipe open that `runners` watches.
fn holding(script: &str) -> String {
    let pipe = env::var("HOLD").expect("it is run by `runners`");
    script_holding(&pipe, script)
}

/// Returns the path of a file in the directory that `runners` reads.
pub(crate) fn path(name: &str) -> String {
    let directory = env::var("IN_A_RUN").expect("it is run by `runners`");
    format!("{directory}/{name}")
}

fn note(name: &str, line: &str) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path(name));
    // One write per line, because other tests append to the file too.
    let line = format!("{line}\n");
    let mut file = file.expect("own directory");
    file.write_all(line.as_bytes()).expect("room");
}

fn uses_it() {
    let service = SERVICE.get().expect("it is there");
    assert!(service.running());
    assert_eq!(service.captured("word").as_deref(), Some("holding"));
    assert_eq!(service.output().text(), "holding\n");
    let reported = service.to_string();
    assert!(reported.starts_with("the service: "), "{reported}");
    note("pids", &service.pid().expect("it runs").to_string());
}

/// Two services, each of which has the port of the other in its environment.
static CLUSTER: Shared<[OutputExecutor; 2]> = Shared::per_run("the cluster", || {
    [("first", "second"), ("second", "first")].map(|(name, peer)| {
        let script = format!(
            "echo started >> {}; echo own {{port}} peer $PEER; exec {PROGRAM} holds 1",
            path("starts")
        );
        OutputExecutor::new(holding(&script), "holding")
            .shell(true)
            .name(name)
            .env("PEER", format!("{{{peer}.port}}"))
    })
});

fn uses_cluster() {
    let [first, second] = CLUSTER.get().expect("it is there");
    let line = |own: &OutputExecutor, peer: &OutputExecutor| {
        format!("own {} peer {}\n", own.port(), peer.port())
    };
    assert!(first.output().text().contains(&line(first, second)));
    assert!(second.output().text().contains(&line(second, first)));
    note("pids", &first.pid().expect("it runs").to_string());
}

#[test]
fn cluster_0() {
    uses_cluster();
}

#[test]
fn cluster_1() {
    uses_cluster();
}

#[test]
fn cluster_2_is_repaired() {
    // A test process of the second binary does this at the same time, so the lock is needed.
    let cluster = CLUSTER.lock().expect("it is there");
    let [first, second] = &*cluster;
    let pid = second.pid();
    first.kill().expect("it is killed");
    uses_cluster();
    assert_eq!(second.pid(), pid, "the other member keeps running");
}

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            uses_it();
        }
    )*};
}

tests! { uses_it_0 uses_it_1 uses_it_2 uses_it_3 uses_it_4 uses_it_5 uses_it_6 uses_it_7 }

/// Restarts the service for the whole run. The lock orders these restarts.
fn restarts_it() {
    let service = SERVICE.lock().expect("it is there");
    let before = service.pid().expect("it runs");
    service.restart().expect("it starts again");
    let after = service.pid().expect("it runs");
    assert_ne!(before, after);
    assert_eq!(service.output().text(), "holding\n");
}

#[test]
fn restarts_0() {
    restarts_it();
}

#[test]
fn restarts_1() {
    restarts_it();
}

#[test]
fn restarts_2() {
    restarts_it();
}

#[test]
fn hangs_after_it_came_first() {
    let runner = getppid();
    uses_it();
    // If the runner is killed, no other process ends this test.
    while getppid() == runner {
        thread::park_timeout(Duration::from_millis(100));
    }
}

/// Fails at the first attempt, after it has used the service.
#[test]
fn passes_when_it_is_tried_again() {
    uses_it();
    let attempt = env::var("NEXTEST_ATTEMPT").expect("it is run by nextest");
    assert_ne!(attempt, "1");
}

/// Asserts that the test holds the service exclusively: only one process can create the file.
fn has_it_alone() {
    alone_with(&SERVICE.lock().expect("it is there"));
}

fn alone_with(service: &OutputExecutor) {
    assert!(service.running());
    let alone = path("alone");
    File::create_new(&alone).expect("no other test has the service");
    note("pids", &service.pid().expect("it runs").to_string());
    fs::remove_file(alone).expect("own file");
}

#[test]
fn has_it_alone_0() {
    has_it_alone();
}

#[test]
fn has_it_alone_1() {
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(has_it_alone);
        }
    });
}

#[with_process(shared = SERVICE, lock = true)]
#[test]
fn has_it_alone_2(service: &OutputExecutor) {
    alone_with(service);
}

/// Asserts that the service runs, and kills it.
fn finds_it_and_kills_it() {
    let service = SERVICE.lock().expect("it is started again");
    assert!(service.running());
    assert_eq!(service.output().text(), "holding\n");
    note("pids", &service.pid().expect("it runs").to_string());
    service.signal(Signal::KILL).expect("it runs");
    service.wait_for(|| !service.running()).expect("it dies");
}

#[test]
fn leaves_it_dead_0() {
    finds_it_and_kills_it();
}

#[test]
fn leaves_it_dead_1() {
    finds_it_and_kills_it();
}

/// Stops and restarts the service. Until then, every other thread and process waits for it.
fn has_an_outage() {
    let service = SERVICE.get().expect("it is there");
    let outage = service.stopped().expect("it stops");
    assert!(!SERVICE.running(), "this thread has stopped it");
    outage.restart().expect("it starts again");
}

#[test]
fn has_an_outage_0() {
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(has_an_outage);
        }
    });
}

#[test]
fn has_an_outage_1() {
    has_an_outage();
}

/// A service that is not ready while a file `closed` exists. Each start appends its pid to a file.
static GATED: Shared<OutputExecutor> = Shared::per_run("gated", || {
    let script = format!(
        "cd {}; echo $$ >> pids; while [ -e closed ]; do sleep 0.01; done; echo ready; exec {PROGRAM} holds",
        path(""),
    );
    OutputExecutor::new(holding(&script), "ready").shell(true)
});

fn pids() -> Vec<String> {
    let text = fs::read_to_string(path("pids")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn dies_0_in_a_restart() {
    GATED.get().expect("it starts");
    fs::write(path("closed"), "").expect("own directory");
    let before = pids().len();
    thread::spawn(move || {
        while pids().len() == before {
            thread::yield_now();
        }
        nix::sys::signal::raise(nix::sys::signal::SIGKILL)
    });
    GATED.restart().expect("the process is killed first");
}

/// Returns a service that this process has used before another process died while it restarted the service.
fn orphaned() -> &'static OutputExecutor {
    let service = GATED.get().expect("it starts");
    let own = env::current_exe().expect("this binary");
    let mut other = Command::new(own);
    other.args(["--exact", "dies_0_in_a_restart"]);
    let status = other.status().expect("this binary runs");
    assert_eq!(status.signal(), Some(9));
    fs::remove_file(path("closed")).expect("the other process left it");
    service
}

fn assert_alive(expected: &[String]) {
    let lives = |pid: &String| fs::exists(format!("/proc/{pid}")).expect("procfs");
    let alive: Vec<_> = pids().into_iter().filter(lives).collect();
    assert_eq!(alive, expected);
}

#[test]
fn orphan_of_a_restart_is_stopped_by_an_earlier_client() {
    orphaned().stop().expect("nothing of its own failed");
    assert_alive(&[]);
}

#[test]
fn orphan_of_a_restart_is_restarted_by_an_earlier_client() {
    let service = orphaned().restart().expect("it starts again");
    let pid = service.pid().expect("it runs").to_string();
    assert_alive(&[pid]);
    service.stop().expect("it runs");
}

#[test]
fn dies_1_and_the_next_has_the_only_one() {
    fs::remove_file(path("closed")).expect("the previous test left it");
    let pid = GATED.get().expect("it starts").pid().expect("it runs");
    for former in pids() {
        let lives = fs::exists(format!("/proc/{former}")).expect("procfs");
        assert_eq!(lives, former == pid.to_string(), "{former}");
    }
}

/// A service on a fixed port, which takes a second to stop.
static FIXED: Shared<TcpExecutor> = Shared::per_run("fixed", || {
    let script = format!(
        "echo started >> {}; trap 'sleep 1; exit 0' TERM; {PROGRAM} listens_late $PORT & wait",
        path("starts"),
    );
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    TcpExecutor::new(script, "127.0.0.1", port.expect("a port")).shell(true)
});

#[test]
fn has_the_fixed_port() {
    assert!(FIXED.get().expect("it is there").running());
}

static BROKEN: Shared<OutputExecutor> = Shared::per_run("broken", || {
    let script = format!(
        "echo tried >> {}; echo what is wrong; exit 1",
        path("starts")
    );
    OutputExecutor::new(["sh", "-c", &script], "holding")
});

fn fails_to_get_it() {
    let error = BROKEN.get().expect_err("it does not start");
    let error = error.to_string();
    assert!(
        error.contains("this is the shared fixture \"broken\""),
        "{error}"
    );
    let reported = error.contains("| what is wrong");
    let why = "\n  reason:      exited with code 1\n";
    assert!(reported || error.contains(why), "{error}");
    note("reported", if reported { "in full" } else { "given up" });
}

#[test]
fn cannot_have_it_0() {
    fails_to_get_it();
}

#[test]
fn cannot_have_it_1() {
    fails_to_get_it();
}

#[test]
fn cannot_have_it_2() {
    fails_to_get_it();
}

/// A service that makes the path of its supervisor's socket unusable, so the run cannot share it.
static UNSHARED: Shared<OutputExecutor> = Shared::per_run("unshared", || {
    let script = format!(
        "echo started >> {}; for run in $TMPDIR/mirakuru-*/run-*; do mkdir -p $run/unshared.sock/x; done; exec {PROGRAM} holds 1",
        path("starts")
    );
    OutputExecutor::new(holding(&script), "holding").shell(true)
});

#[test]
fn cannot_share_it() {
    let failed = || UNSHARED.get().expect_err("it is not shared").to_string();
    for _ in 0..3 {
        let error = failed();
        assert!(error.contains("share it with the run"), "{error}");
    }
    let error = failed();
    assert!(error.contains("3 earlier starts failed"), "{error}");
}

static BROKEN_PAIR: Shared<[OutputExecutor; 2]> = Shared::per_run("broken pair", || {
    let script = |end: &str| {
        format!(
            "echo tried >> {}; echo what is wrong; {end}",
            path("starts")
        )
    };
    let of = |script: String| OutputExecutor::new(holding(&script), "wrong").shell(true);
    // It ends after both have started.
    let both = format!("test $(($(wc -l < {}) % 2)) = 0", path("starts"));
    let fails = format!("until {both}; do sleep 0.02; done; exit 1");
    let (works, fails) = (script("exec sleep 60"), script(&fails));
    [
        of(works).name("works"),
        OutputExecutor::new(fails, "never")
            .shell(true)
            .name("fails"),
    ]
});

fn has_no_pair() {
    let error = BROKEN_PAIR.get().expect_err("one does not start");
    let error = error.to_string();
    let in_full = error.contains("| what is wrong");
    let expected = if in_full {
        "this is \"fails\" of the shared fixture \"broken pair\""
    } else {
        "\"fails\": exited with code 1"
    };
    assert!(error.contains(expected), "{error}");
    note("reported", if in_full { "in full" } else { "given up" });
}

#[test]
fn has_no_pair_0() {
    has_no_pair();
}

#[test]
fn has_no_pair_1() {
    has_no_pair();
}

#[test]
fn has_no_pair_2() {
    has_no_pair();
}

/// A cluster whose second member fails once, after the first member is ready.
static RECOVERS: Shared<[OutputExecutor; 2]> = Shared::per_run("recovers", || {
    let of = |name: &str, script: String| {
        let script = format!(
            "echo {name} {{port}} {{tmpdir}} >> {}; {script}",
            path("tries")
        );
        let executor = OutputExecutor::new(holding(&script), "holding");
        executor.shell(true).name(name)
    };
    let works = format!("exec {PROGRAM} holds 1");
    let first_runs = format!("until grep -q first {}; do sleep 0.02; done", path("tries"));
    let fails = format!(
        "mkdir {} && {first_runs} && sleep 0.3 && exit 1; {works}",
        path("failed")
    );
    [of("first", works), of("second", fails)]
});

#[test]
fn recovering_0() {
    recovering();
}

#[test]
fn recovering_1() {
    recovering();
}

fn recovering() {
    let Ok([first, second]) = RECOVERS.get() else {
        note("reported", "failed");
        return;
    };
    let tries = fs::read_to_string(path("tries")).expect("own file");
    for member in [first, second] {
        let places = tries
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let of_it = |place: &Vec<&str>| member.to_string().starts_with(place[0]);
        let places: Vec<_> = places.filter(of_it).collect();
        let [failed, works] = &places[..] else {
            panic!("{tries}");
        };
        assert!(failed[1] != works[1] && failed[2] != works[2], "{tries}");
        assert_eq!(member.port().to_string(), works[1]);
        note("pids", &member.pid().expect("it runs").to_string());
    }
}

#[test]
fn has_a_slot() {
    assert_eq!(mirakuru::slot(), mirakuru::slot());
    note("slots", &mirakuru::slot().to_string());
}

/// Returns an executor for one of the fixtures that share a name, as in test binaries that were copied.
fn namesake(command: &str, banner: &str) -> OutputExecutor {
    OutputExecutor::new(
        holding(&format!("{command}; exec {PROGRAM} holds 1")),
        banner,
    )
    .shell(true)
}

static FIRST: Shared<OutputExecutor> = Shared::per_run("namesake", || namesake("true", "holding"));
static SAME: Shared<OutputExecutor> = Shared::per_run("namesake", || {
    namesake("true", "holding")
        .env("ANOTHER", "value")
        .timeout(Duration::from_secs(61))
});
static OTHER_COMMAND: Shared<OutputExecutor> =
    Shared::per_run("namesake", || namesake("echo other", "holding"));
static OTHER_CHECK: Shared<OutputExecutor> =
    Shared::per_run("namesake", || namesake("true", "hold"));
/// The fixtures below begin with the same member.
static ONE_MEMBER: Shared<Vec<OutputExecutor>> = Shared::per_run("namesake", || members(1));
static TWO_MEMBERS: Shared<Vec<OutputExecutor>> = Shared::per_run("namesake", || members(2));
static PAIR: Shared<Vec<OutputExecutor>> = Shared::per_run("namesakes", || members(2));
static SAME_PAIR: Shared<[OutputExecutor; 2]> = Shared::per_run("namesakes", || {
    [namesake("true", "holding"), namesake("true", "holding")]
});
static OTHER_PAIR: Shared<[OutputExecutor; 2]> = Shared::per_run("namesakes", || {
    [namesake("true", "holding"), namesake("true", "hold")]
});
static THREE_MEMBERS: Shared<Vec<OutputExecutor>> = Shared::per_run("namesakes", || members(3));
static ALONE: Shared<OutputExecutor> = Shared::per_run("namesakes", || namesake("true", "holding"));

fn members(count: usize) -> Vec<OutputExecutor> {
    (0..count).map(|_| namesake("true", "holding")).collect()
}

#[test]
fn has_namesakes() {
    let first = FIRST.get().expect("it starts");
    SAME.get()
        .expect("neither its environment nor its timeout is compared");
    let reported = |outcome: mirakuru::Result<()>| {
        let error = outcome.expect_err("it is a different fixture");
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        error.to_string()
    };
    let [script, check] =
        [&OTHER_COMMAND, &OTHER_CHECK].map(|other| reported(other.get().map(drop)));
    let command = first.command();
    assert!(
        script.contains(&command) && script.contains("echo other;"),
        "{script}"
    );
    assert!(
        check.contains("\"holding\"") && check.contains("\"hold\""),
        "{check}"
    );
    ONE_MEMBER.get().expect("it is the same executor");
    let several = |count| format!("{count} executors: `{command}`, which waits for ");
    let one = format!("is `{command}`, which waits for ");
    let text = reported(TWO_MEMBERS.get().map(drop));
    assert!(text.contains(&one) && text.contains(&several(2)), "{text}");
    PAIR.get().expect("it starts");
    SAME_PAIR.get().expect("it is the same fixture");
    let text = reported(OTHER_PAIR.get().map(drop));
    assert!(text.contains("\"hold\""), "{text}");
    let text = reported(THREE_MEMBERS.get().map(drop));
    assert!(
        text.contains(&several(2)) && text.contains(&several(3)),
        "{text}"
    );
    let text = reported(ALONE.get().map(drop));
    assert!(text.contains(&one) && text.contains(&several(2)), "{text}");
    note("pids", &first.pid().expect("it runs").to_string());
}

fn has_its_own() {
    drop(
        OutputExecutor::new([PROGRAM, "holds"], "holding")
            .started()
            .expect("it starts"),
    );
}

#[test]
fn has_its_own_0() {
    has_its_own();
}

#[test]
fn has_its_own_1() {
    has_its_own();
}
