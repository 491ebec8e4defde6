//! At the deadline the tree is gone, and the error reports the check that did not pass.

use std::time::Duration;

use mirakuru::{
    Error, ErrorKind, Executor, HttpExecutor, OutputExecutor, PidExecutor, Readiness,
    SimpleExecutor, Stdio, TcpExecutor, UnixSocketExecutor, readiness::Context,
};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
    hold::Hold,
};

use crate::PROGRAM;

const SHORT: Duration = Duration::from_secs(2);
const HEADLINE: &str = "`programs prints 'still starting'` was not ready in time";
const STARTING: [&str; 3] = [PROGRAM, "prints", "still starting"];

fn overdue<R: Readiness>(executor: Executor<R>) -> Error {
    let executor = executor.timeout(SHORT);
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_eq!(error.exit_code(), None, "it was running at the deadline");
    assert_eq!(executor.pid(), None, "it is stopped");
    error
}

/// Returns the expected error of a service that printed `still starting`.
fn expected_error(waited_for: &str, last_check: &str) -> Vec<String> {
    [
        HEADLINE,
        &format!("  waited for:  {waited_for}"),
        "  how long:    TIME",
        &format!("  last check:  {last_check}"),
        "  process:     was running with pid PID",
        "  output, last lines:",
        "    | still starting",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn a_banner_that_never_comes_is_reported() {
    let error = overdue(OutputExecutor::new(STARTING, "ready"));
    let expected = expected_error(
        "a line of its output that matches \"ready\"",
        "no line matched",
    );
    assert_error_text(&error, &expected);
    assert_eq!(error.output_tail(), "still starting");
    assert!(
        error
            .command()
            .ends_with("programs prints 'still starting'")
    );
}

#[test]
fn a_service_that_prints_nothing_gets_advice_on_buffers() {
    let error = overdue(OutputExecutor::new([PROGRAM, "prints"], "ready"));
    assert_error_text(
        &error,
        &[
            "`programs prints` was not ready in time",
            "  waited for:  a line of its output that matches \"ready\"",
            "  how long:    TIME",
            "  last check:  no line matched",
            "  process:     was running with pid PID",
            "  help:        it printed nothing: many programs buffer their output if it does not go to a terminal; try `stdbuf -oL PROGRAM`, or PYTHONUNBUFFERED=1 for Python",
        ],
    );
    assert_eq!(error.output_tail(), "");
}

#[test]
fn a_port_that_never_accepts_is_reported() {
    let executor = TcpExecutor::new(STARTING, "127.0.0.1", 0);
    let waited_for = format!("{} to accept a connection", executor.addr());
    assert_error_text(
        &overdue(executor),
        &expected_error(&waited_for, "connection refused: no process listens there"),
    );
}

#[test]
fn a_socket_that_never_accepts_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let waited_for = format!("the socket {} to accept a connection", socket.display());
    let error = overdue(UnixSocketExecutor::new(STARTING, &socket));
    assert_error_text(
        &error,
        &expected_error(&waited_for, "No such file or directory (os error 2)"),
    );
}

/// The service may have another working directory than the check.
#[test]
fn a_relative_path_is_reported_as_an_absolute_one() {
    let here = std::env::current_dir().expect("it exists");
    let error = overdue(PidExecutor::new(STARTING, "no-such.pid").cwd("/"));
    let waited_for = format!("the file {}/no-such.pid to exist", here.display());
    assert!(error.to_string().contains(&waited_for), "{error}");
    let error = overdue(UnixSocketExecutor::new(STARTING, "no-such").cwd("/"));
    let waited_for = format!("the socket {}/no-such to accept", here.display());
    assert!(error.to_string().contains(&waited_for), "{error}");
}

#[test]
fn a_file_that_never_appears_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("pid");
    let waited_for = format!("the file {} to exist", file.display());
    let error = overdue(PidExecutor::new(STARTING, &file));
    assert_error_text(
        &error,
        &expected_error(&waited_for, "No such file or directory (os error 2)"),
    );
}

#[test]
fn a_url_that_no_process_serves_is_reported() {
    let executor = HttpExecutor::new(STARTING, "http://127.0.0.1:{port}/health");
    let waited_for = format!(r"HEAD {} to answer with status 2\d\d", executor.url());
    assert_error_text(&overdue(executor), &expected_error(&waited_for, "*"));
}

#[test]
fn a_url_with_another_status_is_reported_with_it() {
    let executor = HttpExecutor::new(
        [PROGRAM, "http_service", "{port}"],
        "http://127.0.0.1:{port}/status/500",
    );
    let error = overdue(executor).to_string();
    assert!(
        error.contains("\n  last check:  it answered with status 500\n"),
        "{error}"
    );
}

#[test]
fn a_closure_that_never_returns_true_is_reported() {
    let error = overdue(Executor::when(STARTING, |_: &Context| false));
    let expected = expected_error("the closure to return true", "the closure returned false");
    assert_error_text(&error, &expected);
}

#[test]
fn the_last_lines_of_both_streams_are_reported() {
    let script =
        "for i in $(seq 50); do echo out $i; done; echo oops >&2; echo there >&2; exec sleep 60";
    let error = overdue(OutputExecutor::new(script, "ready").shell(true));
    let tail = error.output_tail();
    assert!(
        tail.starts_with("out 31\n") && tail.ends_with("\nout 50\noops\nthere"),
        "{tail}"
    );
    let text = error.to_string();
    assert!(
        text.contains("\n  output, last lines:\n    | out 31\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\n  error output, last lines:\n    | oops\n    | there"),
        "{text}"
    );
}

#[test]
fn the_tree_is_gone_when_the_start_returns_the_error() {
    let hold = Hold::new();
    let command = hold.script(&format!(
        "'{PROGRAM}' prints child & exec '{PROGRAM}' prints up"
    ));
    overdue(OutputExecutor::new(command, "never").shell(true));
    assert!(hold.is_free());
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_on_another_port_is_reported_with_it() {
    let other = SimpleExecutor::new("x {port}").port();
    let late = TcpExecutor::new(
        [PROGRAM, "listens_late", &other.to_string()],
        "127.0.0.1",
        0,
    );
    let late = late.timeout(Duration::from_secs(3));
    let port = late.port();
    assert_error_text(
        &error_of(late.start()),
        &[
            &*format!("`programs listens_late {other}` was not ready in time"),
            &format!("  waited for:  127.0.0.1:{port} to accept a connection"),
            "  how long:    TIME",
            "  last check:  connection refused: no process listens there",
            "  process:     was running with pid PID",
            &format!("  note:        it listens on port {other}, and not on {port}"),
            "  output, last lines:",
            "    | listening",
            "  help:        neither the command nor its environment contains `{port}`: does the service get `{port}` in another way?",
        ],
    );
}

#[test]
fn redirected_output_is_not_reported_as_missing() {
    let quiet = || TcpExecutor::new("sleep 60", "127.0.0.1", 0);
    let reported = overdue(quiet()).to_string();
    assert!(
        reported.contains("note:        it printed nothing"),
        "{reported}"
    );
    let elsewhere = quiet().stdout(Stdio::null()).stderr(Stdio::null());
    let reported = overdue(elsewhere).to_string();
    assert!(
        reported.contains("note:        its output is not captured"),
        "{reported}"
    );
}

#[test]
fn the_allowed_time_is_reported() {
    let never = OutputExecutor::new(STARTING, "ready").timeout(Duration::from_millis(300));
    let text = error_of(never.start()).to_string();
    let line = regex::Regex::new(r"(?m)^  how long:    (\d+\.\d) s of 0\.3 s allowed$");
    let waited = line.expect("a valid expression").captures(&text);
    let waited: f64 = waited.expect(&text)[1].parse().expect("a number");
    assert!(waited >= 0.3, "{text}");
}

#[test]
fn requests_of_the_check_do_not_displace_other_output() {
    let command = [PROGRAM, "http_service", "{port}", "1000000"];
    let error = overdue(HttpExecutor::new(command, "http://127.0.0.1:{port}/health"));
    let tail = error.output_tail();
    let lines: Vec<_> = tail.lines().collect();
    assert!(lines[0].starts_with("listening on "), "{tail}");
    assert!(lines[1].contains("lines like the next"), "{tail}");
    assert_eq!(lines[2], "HEAD /health ");
    assert_eq!(lines.len(), 3, "{tail}");
}
