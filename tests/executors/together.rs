//! Executors that start at the same time, by a call and as one fixture.

use std::{fs, net::TcpStream, sync::LazyLock, thread, time::Duration};

use mirakuru::{
    Context, ErrorKind, Executor, Fixture, OutputExecutor, Result, Shared, Signal, SimpleExecutor,
    TcpExecutor, start_all, start_all_of,
};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::PROGRAM;

const LATE: Duration = Duration::from_secs(60);

/// Returns a process that becomes ready after it has reached its peer.
fn meets(name: &str, peer: &str) -> TcpExecutor {
    let peer = format!("{{{peer}.port:peer}}");
    TcpExecutor::new(
        [PROGRAM, "meets", "{port}", "{port:peer}", &peer],
        "127.0.0.1",
        0,
    )
    .name(name)
}

fn is_up(executor: &TcpExecutor) -> bool {
    executor.running() && TcpStream::connect(executor.addr()).is_ok()
}

#[test]
fn processes_that_wait_for_each_other_start() -> Result<()> {
    let (first, second) = (meets("first", "second"), meets("second", "first"));
    start_all([&first, &second])?;
    assert!(is_up(&first) && is_up(&second));
    let met = format!("met {}", second.port_named("peer"));
    assert_eq!(first.output().wait_for("^met")?, met);
    Ok(())
}

#[test]
fn executors_of_any_kind_and_number_start_together() -> Result<()> {
    let pair = [meets("first", "second"), meets("second", "first")];
    let output = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready");
    let several = (
        SimpleExecutor::new("sleep 60"),
        vec![SimpleExecutor::new("sleep 61")],
    );
    let fixtures: [&dyn Fixture; 3] = [&pair, &output, &several];
    start_all_of(&fixtures)?;
    assert!(pair.iter().all(is_up) && output.running());
    assert!(several.0.running() && several.1[0].running());
    Ok(())
}

#[test]
fn an_executor_that_already_runs_is_kept() -> Result<()> {
    let first = SimpleExecutor::new("sleep 60").started()?;
    let (second, pid) = (SimpleExecutor::new("sleep 60"), first.pid());
    start_all([&first, &second])?;
    assert_eq!(first.pid(), pid);
    assert!(second.running());
    Ok(())
}

#[test]
fn all_stop_if_some_fail_and_every_failure_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Each ends after the other has printed.
    let fails = |word: &str, other: &str| {
        let script = "echo $0; >$0; until test -e $1; do sleep 0.02; done; exit 1";
        OutputExecutor::new(["sh", "-c", script, word, other], "x").cwd(directory.path())
    };
    let (works, one, two) = (
        SimpleExecutor::new("sleep 60"),
        fails("no-luck", "no-room"),
        fails("no-room", "no-luck"),
    );
    let error = error_of(start_all([&works, &one, &two]));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    let text = error.to_string();
    assert!(
        text.contains("| no-luck") && text.contains("| no-room"),
        "{text}"
    );
    assert_eq!(
        text.matches("ended before it was ready").count(),
        2,
        "{text}"
    );
    assert!(!works.running());
}

/// Returns a process that is never ready.
fn never_ready(name: &str) -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "prints", "its own output"], "no such line")
        .timeout(LATE)
        .name(name)
}

/// Returns a process that ends before it is ready.
fn ends(name: &str) -> OutputExecutor {
    OutputExecutor::new([PROGRAM, "prints", "--then-exit", "3", "no luck"], "x").name(name)
}

#[track_caller]
fn assert_leads(error: &mirakuru::Error, stopped: &str) {
    let text = error.to_string();
    assert_eq!(error.exit_code(), Some(3), "{text}");
    let note = format!("because of this, also stopped: {stopped}");
    assert!(text.contains("| no luck") && text.contains(&note), "{text}");
    assert!(!text.contains("its own output"), "{text}");
}

#[test]
fn a_failure_ends_the_waits_of_the_others_at_once() {
    let seldom = never_ready("seldom").poll_interval(LATE);
    let closure = Executor::when([PROGRAM, "prints"], |_: &Context| {
        thread::park_timeout(LATE);
        false
    });
    let closure = closure.timeout(LATE).name("closure");
    let (slow, fails) = (never_ready("slow"), ends("fails"));
    let error = at_once(|| error_of(start_all([&slow, &seldom, &closure, &fails])));
    assert_leads(&error, r#""slow", "seldom", "closure""#);
    assert!(!slow.running() && !seldom.running() && !closure.running());
}

#[test]
fn a_failure_ends_the_waits_of_a_fixture_at_once() {
    static PAIR: Shared<(OutputExecutor, Vec<OutputExecutor>)> =
        Shared::new(|| (never_ready("slow"), vec![ends("fails")]));
    assert_leads(&at_once(|| error_of(PAIR.get())), r#""slow""#);
}

#[test]
fn a_failure_does_not_end_the_start_of_another_thread() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let go = directory.path().join("go").display().to_string();
    let script = "until test -e $0; do sleep 0.02; done; sleep 1; echo ready; exec sleep 60";
    let db = OutputExecutor::new(["sh", "-c", script, &go], "ready").name("db");
    let fails = OutputExecutor::new(["sh", "-c", ": >$0; exit 3", &go], "never").name("fails");
    thread::scope(|scope| {
        let alone = scope.spawn(|| db.start());
        while db.pid().is_none() {
            thread::yield_now();
        }
        let error = error_of(start_all([&db, &fails]));
        assert_eq!(error.exit_code(), Some(3));
        alone.join().expect("no panic").expect("it starts");
        assert!(db.running(), "the start of another thread goes on");
    });
}

#[test]
fn a_group_that_failed_three_times_does_not_start_again() {
    static HOLD: LazyLock<Hold> = LazyLock::new(Hold::new);
    static PAIR: Shared<[OutputExecutor; 2]> = Shared::new(|| {
        let starts = format!("{}/starts", HOLD.scratch());
        let script = format!("echo started >> {starts}; echo ready");
        let works = format!("{script}; exec sleep 60");
        // It ends after both have started.
        let both = format!("test $(($(wc -l < {starts}) % 2)) = 0");
        let fails = format!("{script}; until {both}; do sleep 0.02; done; exit 3");
        let of = |script: &str, banner| OutputExecutor::new(script, banner).shell(true);
        [
            of(&works, "ready").name("works"),
            of(&fails, "never").name("fails"),
        ]
    });
    for _ in 0..3 {
        assert_eq!(error_of(PAIR.get()).exit_code(), Some(3));
    }
    let starts = || fs::read_to_string(format!("{}/starts", HOLD.scratch())).expect("own file");
    assert_eq!(starts().lines().count(), 6);
    let error = error_of(PAIR.get()).to_string();
    let reported = r#"reason:      "fails": exited with code 3"#;
    assert!(
        error.contains("3 earlier starts failed") && error.contains(reported),
        "{error}"
    );
    assert_eq!(starts().lines().count(), 6);
}

#[test]
fn an_invalid_member_is_found_before_any_starts() {
    let hold = Hold::new();
    let file = format!("{}/started", hold.scratch());
    let works = SimpleExecutor::new(["touch", &file]).name("works");
    for mistaken in [
        SimpleExecutor::new("sleep 60 {typo}"),
        SimpleExecutor::new("sleep 60 {typo.port}"),
        SimpleExecutor::new("sleep 60").stop_signal(Signal::from_raw(-1)),
    ] {
        let error = error_of(start_all([&works, &mistaken]));
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!fs::exists(&file).expect("own directory"), "{error}");
    }
}

#[test]
fn an_unknown_member_is_reported_with_the_known_ones() {
    let of = |words: &str, name: &str| SimpleExecutor::new(words).name(name);
    let (own, typo) = (of("a {one.port:peer}", "one"), of("b {three.addr}", "two"));
    let error = error_of(start_all([&own, &typo])).to_string();
    for reported in [
        "{one.port:peer} names this executor itself: write {port:peer}",
        r#"has the name "three": there are "one""#,
    ] {
        assert!(error.contains(reported), "{error}");
    }
}

#[test]
fn an_unknown_port_of_another_member_is_invalid() {
    let (first, second) = (
        meets("first", "second"),
        SimpleExecutor::new("sleep 60").name("second"),
    );
    let error = error_of(start_all([&first, &second]));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.to_string().contains(r#"second has no port "peer""#),
        "{error}"
    );
    assert!(!second.running());
}

#[test]
fn a_fixture_of_several_executors_starts_as_one() -> Result<()> {
    static PAIR: Shared<[TcpExecutor; 2]> =
        Shared::new(|| [meets("first", "second"), meets("second", "first")]);
    let [first, second] = PAIR.get()?;
    assert!(is_up(first) && is_up(second));
    // A member that has died starts again, and the other one keeps running.
    let pid = second.pid();
    first.kill()?;
    let [first, second] = PAIR.get()?;
    assert!(is_up(first));
    assert_eq!(second.pid(), pid);
    Ok(())
}

#[test]
fn a_fixture_can_be_a_tuple_or_a_vec() -> Result<()> {
    static TUPLE: Shared<(TcpExecutor, SimpleExecutor)> = Shared::new(|| {
        let server = [PROGRAM, "listens_late", "{port}"];
        let client = SimpleExecutor::new("sleep 60").env("SERVER", "{server.addr}");
        (
            TcpExecutor::new(server, "127.0.0.1", 0).name("server"),
            client,
        )
    });
    static VEC: Shared<Vec<SimpleExecutor>> =
        Shared::new(|| (0..3).map(|_| SimpleExecutor::new("sleep 60")).collect());
    let guard = TUPLE.lock()?;
    assert!(is_up(&guard.0) && guard.1.running());
    assert!(VEC.iter().all(SimpleExecutor::running));
    Ok(())
}
