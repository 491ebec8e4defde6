//! Every option has its effect.

use std::path::Path;

use mirakuru::{
    ErrorKind, HttpExecutor, OnConflict, OutputExecutor, Result, Signal, SimpleExecutor,
    TcpExecutor, readiness::Stream, with_process,
};

use crate::PROGRAM;

#[with_process(http = [PROGRAM, "http_service", "{port}", "0", "404"], url = "http://127.0.0.1:{port}/", status = 404)]
#[with_process(http = [PROGRAM, "http_service", "{port}", "0", "503"], url = "http://{host}:{port}/", status = "5..|404")]
#[test]
fn status(_code: &HttpExecutor, _pattern: &HttpExecutor) {}

#[with_process(
    http = [PROGRAM, "http_service", "{port}"],
    url = "http://127.0.0.1:{port}/needs/X-Token/abc?a=b",
    method = "POST",
    payload = { first = "1 2", "second-one" = format!("{}", 3) },
    headers = { "X-Token" = "abc", Accept = "text/plain" },
)]
#[test]
fn requests(service: &HttpExecutor) {
    let request = service
        .output()
        .wait_for("POST")
        .expect("the check sent a request");
    assert_eq!(
        request,
        "POST /needs/X-Token/abc?a=b first=1+2&second-one=3"
    );
}

#[with_process(output = [PROGRAM, "prints", "--stderr", "ready"], banner = "^ready$", stream = stderr)]
#[with_process(output = [PROGRAM, "prints", "ready"], banner = "^ready$", stream = "stdout")]
#[with_process(output = [PROGRAM, "prints", "ready"], banner = "^ready$", stream = Stream::Both)]
#[test]
fn stream(stderr: &OutputExecutor) {
    assert_eq!(stderr.err_output().text(), "ready\n");
}

#[with_process(
    output = "echo ready > {tmpdir}/log; exec sleep 60",
    shell = true,
    banner = "^ready$",
    log_file = "{tmpdir}/log",
    stream = file
)]
#[test]
fn log_file(service: &OutputExecutor) {
    assert_eq!(service.output().text(), "");
}

#[with_process(
    output = "echo ready; echo ready; exec sleep 60",
    shell = true,
    banner = "^ready$",
    times = 2
)]
#[test]
fn times(service: &OutputExecutor) {
    // `wait_for` does not search the lines up to the second banner.
    assert_eq!(service.output().text(), "ready\nready\n");
}

#[with_process(tcp = [PROGRAM, "listens_late", "{port}"], exec = "mkdir {tmpdir}/asked", name = format!("the {}", 1))]
#[with_process(simple = "sleep 60", exec = ["mkdir", "{tmpdir}/asked"])]
#[test]
fn exec(server: &TcpExecutor, other: &SimpleExecutor) {
    assert!(server.tmpdir().join("asked").is_dir() && other.tmpdir().join("asked").is_dir());
}

#[with_process(notify = [PROGRAM, "reports", "READY=1"])]
#[test]
fn notify(service: &mirakuru::NotifyExecutor) {
    assert!(service.running());
}

#[with_process(output = "cat; echo end; exec sleep 60", shell = true, banner = "^end$", stdin = null)]
#[test]
fn stdin(service: &OutputExecutor) {
    assert_eq!(service.output().text(), "end\n");
}

#[with_process(http = [PROGRAM, "http_service", "{port}"], url = "http://127.0.0.1:{port}/", method = "POST".to_owned(), body = "some text")]
#[test]
fn body(service: &HttpExecutor) {
    let request = service
        .output()
        .wait_for("POST")
        .expect("the check sent a request");
    assert!(request.contains("some text"), "{request}");
}

#[with_process(output = "id -u", banner = r"^\d+$", user_if_root = "nobody")]
#[test]
fn user_if_root(service: &OutputExecutor) {
    let is_root = service.output().text() == "0\n";
    assert!(!is_root, "it runs as an ordinary user");
}

#[with_process(output = "pwd", banner = "^/", cwd = "/")]
#[with_process(output = "pwd", banner = "^/", cwd = "{tmpdir}")]
#[with_process(output = "pwd", banner = "^/", cwd = Path::new("/"))]
#[test]
fn cwd(root: &OutputExecutor, private: &OutputExecutor) {
    assert_eq!(root.output().text(), "/\n");
    let own = private
        .tmpdir()
        .canonicalize()
        .expect("the private directory exists");
    assert_eq!(
        private.output().text().trim_end(),
        own.to_str().expect("UTF-8")
    );
}

const BY_A_SHELL: bool = true;

#[with_process(
    output = "echo $ONE $TWO; exec sleep 60",
    shell = BY_A_SHELL,
    banner = "1 two",
    env = { ONE = "1", "TWO" = String::from("two") },
)]
#[test]
fn shell_and_env(shell: &OutputExecutor) {
    assert_eq!(shell.output().text(), "1 two\n");
}

#[with_process(output = [PROGRAM, "prints", "ready"], banner = "ready", stop_signal = SIGINT)]
#[test]
fn stop_signal(prints: &OutputExecutor) {
    prints
        .stop()
        .expect("death by the stop signal counts as success");
    assert_eq!(prints.exit_code(), Some(-Signal::INT.as_raw()));
}

#[with_process(
    output = [PROGRAM, "ignores_stop"],
    banner = "ready",
    stop_timeout = 0.05,
    stop_signal = "SIGHUP",
    kill_signal = Signal::from_raw(14),
)]
#[test]
fn stop_timeout_and_kill_signal(stubborn: &OutputExecutor) {
    stubborn.stop().expect("a kill counts as success");
    assert_eq!(stubborn.exit_code(), Some(-14));
}

#[with_process(simple = [PROGRAM, "exits", "3"], expected_returncode = 3)]
#[with_process(simple = "sleep 60", expected_returncode = -15)]
#[test]
fn expected_returncode(exits: &SimpleExecutor) {
    exits.wait_for(|| false).expect_err("the process ends");
}

#[cfg(root)]
#[with_process(
    output = "sh -c 'id -u; exec sleep 60'",
    banner = "^65534$",
    user = 65534
)]
#[with_process(
    output = "sh -c 'id -un; exec sleep 60'",
    banner = "^nobody$",
    user = "nobody"
)]
#[test]
fn user() {}

const POLICY: OnConflict = OnConflict::Fail;
const SIGNAL_OF_THE_SERVICE: Signal = Signal::INT;

#[with_process(
    http = [PROGRAM, "http_service", "{port}"],
    url = "http://127.0.0.1:{port}/",
    method = "POST",
    payload = { template = "{name}" },
    on_conflict = POLICY,
    stop_signal = SIGNAL_OF_THE_SERVICE,
)]
#[test]
fn constants_and_braces(service: &HttpExecutor) -> Result<()> {
    let reported = service.output().wait_for("^POST")?;
    assert!(reported.ends_with("template=%7Bname%7D"), "{reported}");
    service.stop()?;
    assert_eq!(service.exit_code(), Some(-2));
    Ok(())
}

#[with_process(simple = "sleep 60", name = "the sleeper")]
#[test]
fn name(sleep: &SimpleExecutor) {
    assert!(sleep.to_string().contains("the sleeper"), "{sleep}");
}

/// Returns a free port, and an executor that leases it without starting.
fn reserved() -> (TcpExecutor, u16) {
    let executor = TcpExecutor::new("true", "127.0.0.1", 0);
    let port = executor.port();
    (executor, port)
}

#[test]
fn on_conflict() {
    let (holder, port) = reserved();
    drop(holder);
    let holder = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", port);
    let holder = holder.started().expect("a free port");

    std::thread_local!(static PORT: std::cell::Cell<u16> = const { std::cell::Cell::new(0) });
    PORT.set(port);

    #[with_process(tcp = "true", port = PORT.get(), on_conflict = reuse)]
    fn reuses() {}

    #[with_process(tcp = "true", port = PORT.get(), on_conflict = OnConflict::Fail)]
    fn fails() {}

    #[with_process(tcp = "true", port = PORT.get())]
    fn waits() {}

    // `true` would end before it is ready, so it must not be started.
    reuses();
    assert!(holder.running(), "a reused service is not stopped");
    let reported = crate::bodies::panic_of(fails);
    assert!(
        reported.contains("another executor has reserved the port"),
        "{reported}"
    );
    // A wait for a port of this thread would never end.
    let reported = crate::bodies::panic_of(waits);
    assert!(reported.contains("started by this thread"), "{reported}");
    assert_eq!(
        TcpExecutor::new("true", "127.0.0.1", port)
            .start()
            .expect_err("held")
            .kind(),
        ErrorKind::AlreadyRunning
    );
}

#[with_process(simple = "sleep 60", crate = ::mirakuru)]
#[test]
fn path_of_the_crate(sleep: &SimpleExecutor) {
    assert!(sleep.running());
}

/// The attribute checks the fragments of a `macro_rules!` like other literals.
macro_rules! given {
    ($name:ident, $command:expr, $text:expr, $signal:path, $time:expr, $policy:expr, $key:literal) => {
        #[with_process(
                                                    output = ["sh", "-c", $command],
                                                    banner = $text,
                                                    env = { TEXT = $text, $key = "{tmpdir}" },
                                                    stop_signal = $signal,
                                                    timeout = $time,
                                                    on_conflict = $policy,
                                                )]
        #[test]
        fn $name(service: &OutputExecutor) {
            assert_eq!(service.output().text(), "ready\n");
            service.stop().expect("the stop signal ends it");
            assert_eq!(service.exit_code(), Some(-2));
        }
    };
}

given!(
    of_fragments,
    "echo $TEXT; exec sleep 60",
    "ready",
    SIGINT,
    "10s",
    wait,
    "OTHER"
);
