//! The sixty tests that the monkey disturbs, of all kinds. Each test that passes leaves a proof that its service was
//! ready.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test that lives for a moment can be disturbed"
)]

use std::{
    env, fs,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use mirakuru::{
    AnyExecutor, Executor, HttpExecutor, OutputExecutor, PidExecutor, Readiness, Shared,
    SimpleExecutor, TcpExecutor, UnixSocketExecutor, with_process,
};
use nix::libc::{EMFILE, ENFILE, ENOMEM};

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// The time for which a test keeps its service, long enough for a disturbance.
const LIFE: Duration = Duration::from_millis(150);
/// The time in which a supervisor notices the end of its service, even after it was frozen for a while.
const NOTICE: Duration = Duration::from_secs(8);

static SHARED: Shared<HttpExecutor> = Shared::per_run("shared", || {
    HttpExecutor::new([PROGRAM, "answers", "{port}"], "http://127.0.0.1:{port}/")
});

/// Returns the command of a service that resists its end. Its daemon has an empty environment if the monkey kills no
/// supervisor in this run: only a supervisor finds such a daemon.
fn daemon() -> Vec<String> {
    let mut words = vec![PROGRAM, "leaves_daemon", "--ignore-term", "--main-stays"];
    if env::var_os("CHAOS_SPARES_SUPERVISORS").is_some() {
        words.push("--scrub");
    }
    words.into_iter().map(str::to_owned).collect()
}

/// Requests the pid of the service, and leaves the proof of this test if the answer is right.
///
/// # Panics
///
/// If the service does not give the right answer. The text reports a false "ready" if the service is still running.
fn answers<R: Readiness>(service: &Executor<R>, connect: impl Fn() -> io::Result<String>) {
    let pid = service.pid();
    let answer = connect();
    match &answer {
        Ok(answer) if pid.is_some_and(|pid| pid.to_string() == *answer) => return lives(service),
        Err(error) if matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM)) => {
            panic!("the test's own limits: {error}")
        }
        _ => {}
    }
    let begun = Instant::now();
    while service.running() {
        let message = "FALSE READY: it runs";
        assert!(
            begun.elapsed() < NOTICE,
            "{message}, {pid:?} and answers {answer:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the service has ended: {answer:?}");
}

/// Keeps the service for a moment, and leaves the proof of this test.
fn lives<R: Readiness>(service: &Executor<R>) {
    thread::sleep(LIFE);
    assert!(service.running(), "the service has ended");
    let directory = env::var("CHAOS_PROOFS").expect("it is run by the monkey");
    let name = env::var("NEXTEST_TEST_NAME").expect("it is run by nextest");
    fs::write(Path::new(&directory).join(name), "").expect("room for a proof");
}

fn ask(mut connection: impl Read + Write) -> io::Result<String> {
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let pid = answer.rsplit("\r\n\r\n").next();
    Ok(pid.unwrap_or_default().to_owned())
}

fn over_tcp(port: u16) -> io::Result<String> {
    ask(TcpStream::connect(("127.0.0.1", port))?)
}

macro_rules! of_all_kinds {
    ($($module:ident)*) => {$(
        mod $module {
            use super::*;

            #[with_process(simple = daemon(), stop_timeout = "1s")]
            #[test]
            fn simple(service: &SimpleExecutor) {
                lives(service);
            }

            #[with_process(executor = Executor::when([PROGRAM, "answers", "{port}", "50"], |cx| {
                over_tcp(cx.port()).is_ok()
            }).boxed())]
            #[test]
            fn executor(service: &AnyExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(output = daemon(), banner = "daemon", stop_timeout = "1s")]
            #[test]
            fn output(service: &OutputExecutor) {
                lives(service);
            }

            #[with_process(output = [PROGRAM, "holds", "8"], banner = "holding")]
            #[test]
            fn output_of_a_family(service: &OutputExecutor) {
                lives(service);
            }

            #[with_process(tcp = [PROGRAM, "answers", "{port}", "100"])]
            #[test]
            fn tcp(service: &TcpExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(tcp = [PROGRAM, "answers", "{port}"], port = 9_471, on_conflict = wait, timeout = "20s")]
            #[test]
            fn tcp_on_one_port(service: &TcpExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(unix = [PROGRAM, "answers", "{socket}", "50"], socket = "{socket}")]
            #[test]
            fn unix(service: &UnixSocketExecutor) {
                answers(service, || ask(UnixStream::connect(service.socket())?));
            }

            #[with_process(http = [PROGRAM, "answers", "{port}"], url = "http://127.0.0.1:{port}/")]
            #[test]
            fn http(service: &HttpExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(pid = [PROGRAM, "writes_pid", "{pidfile}", "50"], filename = "{pidfile}")]
            #[test]
            fn pid(service: &PidExecutor) {
                lives(service);
            }

            #[with_process(shared = SHARED)]
            #[test]
            fn shared(service: &HttpExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(shared = SHARED, lock = true)]
            #[test]
            fn shared_and_locked(service: &HttpExecutor) {
                answers(service, || over_tcp(service.port()));
            }

            #[with_process(tcp = [PROGRAM, "answers", "{port}", "50"], bind = first)]
            #[with_process(http = [PROGRAM, "answers", "{port}", "0", "{first.port}"], url = "http://127.0.0.1:{port}/", together = true)]
            #[test]
            fn together(first: &TcpExecutor, second: &HttpExecutor) {
                answers(first, || over_tcp(first.port()));
                answers(second, || over_tcp(second.port()));
            }
        }
    )*};
}

of_all_kinds!(a b c d);

/// Tests that fail even in an undisturbed run.
mod must_fail {
    use super::*;

    fn passes() {
        let name = env::var("NEXTEST_TEST_NAME").expect("it is run by nextest");
        panic!("FALSE READY: the body of {name} runs");
    }

    #[with_process(tcp = [PROGRAM, "answers", "{port}", "60000"], timeout = "1s")]
    #[test]
    fn late_tcp() {
        passes();
    }

    #[with_process(unix = [PROGRAM, "answers", "{socket}", "60000"], socket = "{socket}", timeout = "1s")]
    #[test]
    fn late_unix() {
        passes();
    }

    #[with_process(http = [PROGRAM, "answers", "{port}"], url = "http://127.0.0.1:{port}/", status = 404, timeout = "1s")]
    #[test]
    fn another_status() {
        passes();
    }

    #[with_process(pid = [PROGRAM, "holds"], filename = "{pidfile}", timeout = "1s")]
    #[test]
    fn no_pid_file() {
        passes();
    }

    #[with_process(output = [PROGRAM, "prints", "ready"], banner = "steady", timeout = "1s")]
    #[test]
    fn another_banner() {
        passes();
    }

    #[with_process(executor = Executor::when([PROGRAM, "holds"], |_| false), timeout = "1s")]
    #[test]
    fn a_check_that_fails() {
        passes();
    }

    #[with_process(simple = "/no/such/program")]
    #[test]
    fn no_program() {
        passes();
    }

    #[with_process(tcp = "false", port = 0)]
    #[test]
    fn an_early_end() {
        passes();
    }

    #[with_process(tcp = [PROGRAM, "answers", "{port}"])]
    #[test]
    fn a_body_that_panics(service: &TcpExecutor) {
        answers(service, || over_tcp(service.port()));
        panic!("on purpose");
    }

    #[with_process(shared = SHARED)]
    #[test]
    fn a_body_that_returns_an_error() -> Result<(), &'static str> {
        Err("on purpose")
    }

    #[with_process(simple = daemon(), stop_timeout = "1s")]
    #[test]
    fn a_body_that_aborts() {
        // If the supervisor is killed, the test process must end the rest of its tree, so it must not abort.
        assert!(
            env::var_os("CHAOS_SPARES_SUPERVISORS").is_some(),
            "on purpose"
        );
        std::process::abort();
    }

    #[with_process(output = [PROGRAM, "holds", "4"], banner = "holding")]
    #[test]
    fn a_body_that_exits() {
        std::process::exit(3);
    }
}
