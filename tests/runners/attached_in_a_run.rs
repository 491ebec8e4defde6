//! Tests that `clients.rs` runs under a runner. An executor that attaches to a service of the run must answer like the
//! executor that started it.

use mirakuru::{
    Executor, OutputExecutor, PidExecutor, Shared, Signal, TcpExecutor, UnixSocketExecutor,
    readiness::Readiness,
};

use crate::PROGRAM;

/// Returns a service with a port and a directory that prints a line at each signal.
fn talks() -> OutputExecutor {
    let script = "trap 'echo heard; echo heard too >&2' USR1; trap 'exit 7' TERM; \
        echo before; echo it is up on $PORT; echo after; echo warned >&2; \
        while :; do sleep 0.01; done";
    OutputExecutor::new(
        ["sh", "-c", script, "{tmpdir}"],
        "it is (?<word>up) on (?<port>\\d+)",
    )
    .env("PORT", "{port}")
    .expected_returncode(7)
}

/// Formats the facts that every executor reports about its service.
fn facts<R: Readiness>(executor: &Executor<R>) -> String {
    let state = (executor.running(), executor.pid(), executor.exit_code());
    let (command, words) = (executor.command(), executor.command_parts());
    let output = (executor.output().text(), executor.err_output().text());
    let name = executor.to_string();
    format!("{state:?} {command} {words:?} {output:?} {name}")
}

#[test]
fn attached_one_answers_as_a_local_one() {
    static LOCAL: Shared<OutputExecutor> = Shared::per_run("talks", talks);
    static ATTACHED: Shared<OutputExecutor> = Shared::per_run("talks", talks);
    let (local, attached) = (LOCAL.get().expect("it starts"), ATTACHED.get());
    let attached = attached.expect("it runs");
    let both = [local, attached];
    let agree = || {
        assert_eq!(facts(local), facts(attached));
        let [own, other] = both.map(|one| (one.port(), one.tmpdir(), one.captured("word")));
        assert_eq!(own, other);
    };
    let wait_for_output = || {
        for one in both {
            one.err_output()
                .wait_for("^warned$")
                .expect("it is printed");
        }
    };
    wait_for_output();
    for one in both {
        let mut lines = one.output().lines();
        let next = lines.next().expect("a line").expect("text");
        assert_eq!(next, "after", "the lines begin after the banner");
        assert_eq!(one.output().tail(1), "after");
    }
    agree();

    attached.signal(Signal::USR1).expect("it runs");
    for one in both {
        one.output().wait_for("^heard$").expect("it is printed");
        one.err_output()
            .wait_for("^heard too$")
            .expect("it is printed");
    }
    attached.wait_for(|| attached.running()).expect("it runs");
    agree();

    attached.stop().expect("with the code that is expected");
    agree();
    assert_eq!(local.exit_code(), Some(7));
    attached.start().expect("it starts again");
    assert!(local.running());
    wait_for_output();
    agree();
    attached.kill().expect("it runs");
    agree();
    assert_eq!(local.exit_code(), Some(-9));
}

#[test]
fn attached_one_reads_the_log_file_too() {
    fn logs() -> OutputExecutor {
        let script =
            "trap 'echo logged > \"$0/log\"' USR1; echo ready; while :; do sleep 0.01; done";
        OutputExecutor::new(["sh", "-c", script, "{tmpdir}"], "^ready$").log_file("{tmpdir}/log")
    }
    static LOCAL: Shared<OutputExecutor> = Shared::per_run("logs", logs);
    static ATTACHED: Shared<OutputExecutor> = Shared::per_run("logs", logs);
    let (local, attached) = (LOCAL.get().expect("it starts"), ATTACHED.get());
    let attached = attached.expect("it runs");
    attached.signal(Signal::USR1).expect("it runs");
    let log = local.tmpdir().join("log");
    let is_written = || std::fs::read(&log).is_ok_and(|text| text == b"logged\n");
    local.wait_for(is_written).expect("it is written");
    local.kill().expect("it runs");
    let [own, other] = [local, attached].map(|one| {
        let missing = one.output().wait_for("^never$");
        let text = missing.expect_err("no process is left").to_string();
        let lines = text.lines().filter(|line| !line.contains("how long:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(own.contains(&"    | logged".to_owned()), "{own:?}");
    assert_eq!(own, other);
}

#[test]
fn attached_one_knows_where_it_is_served() {
    fn tcp() -> TcpExecutor {
        TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0)
    }
    fn unix() -> UnixSocketExecutor {
        UnixSocketExecutor::new([PROGRAM, "binds_unix", "{socket}"], "{socket}")
    }
    fn pid() -> PidExecutor {
        PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], "{pidfile}")
    }
    static TCP: [Shared<TcpExecutor>; 2] =
        [Shared::per_run("tcp", tcp), Shared::per_run("tcp", tcp)];
    static UNIX: [Shared<UnixSocketExecutor>; 2] =
        [Shared::per_run("unix", unix), Shared::per_run("unix", unix)];
    static PID: [Shared<PidExecutor>; 2] =
        [Shared::per_run("pid", pid), Shared::per_run("pid", pid)];

    let [local, attached] = TCP
        .each_ref()
        .map(|one| (one.host(), one.port(), one.addr()));
    assert_eq!(local, attached);
    let [local, attached] = UNIX.each_ref().map(|one| one.socket());
    assert_eq!(local, attached);
    let [local, attached] = PID.each_ref().map(|one| one.filename());
    assert_eq!(local, attached);
    // The service prints the line after it listens.
    let is_printed = || TCP[0].output().text() == "listening\n";
    TCP[0].wait_for(is_printed).expect("it listens");
    let [local, attached] = TCP.each_ref().map(|one| facts(&**one));
    assert_eq!(local, attached);

    // The run removes the file that a killed service leaves, regardless of which test starts the next one.
    for one in &PID {
        one.restart().expect("nothing is in the way");
        one.kill()
            .expect("it runs")
            .start()
            .expect("nothing is in the way");
    }
}
