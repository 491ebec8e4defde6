//! Constructors and options never fail. The start reports what is invalid, and spawns nothing.

use std::path::Path;

use mirakuru::{
    AnyExecutor, Error, ErrorKind, Executor, HttpExecutor, OutputExecutor, PidExecutor,
    SimpleExecutor, TcpExecutor, UnixSocketExecutor,
    readiness::{Http, Output, PidFile, Readiness},
};
use mirakuru_tests::error_text::{assert_error_text, error_of};

use crate::rerun::{alone, is_alone};

const URL: &str = "http://127.0.0.1:{port}/";
const UNKNOWN: &str = "unknown placeholder {prot}: expected one of {port}, {port:NAME}, {host}, {tmpdir}, {socket} and {pidfile}; write {{prot}} for the text itself";

/// Returns the error of a start that spawns nothing.
#[track_caller]
fn mistake(executor: &AnyExecutor) -> Error {
    let error = error_of(executor.start());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert_eq!((executor.pid(), executor.exit_code()), (None, None));
    error
}

/// Asserts that an executor with this command is invalid and that the command does not run. The command leaves a file
/// if it runs. `reason` is the expected text, up to a `*`.
#[track_caller]
fn assert_invalid(make: impl FnOnce(String) -> AnyExecutor, reason: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ran = directory.path().join("ran");
    let executor = make(format!("touch {}", ran.display()));
    let text = mistake(&executor).to_string();
    let reported = text
        .split_once("\n  reason:      ")
        .map_or("", |(_, reported)| reported);
    let same = reason
        .strip_suffix('*')
        .map_or(reported == reason, |reason| reported.starts_with(reason));
    assert!(same, "{text}\n\nexpected {reason}");
    drop(executor);
    assert!(!ran.exists(), "it was spawned");
}

#[track_caller]
fn assert_invalid_url(url: &str, reason: &str) {
    assert_invalid(|command| HttpExecutor::new(command, url).boxed(), reason);
}

#[test]
fn an_unbalanced_quote_is_reported_in_full() {
    assert_error_text(
        &mistake(&SimpleExecutor::new("echo 'open").boxed()),
        &[
            "`echo 'open` cannot be started: the configuration is invalid",
            "  reason:      a quote is opened and never closed",
        ],
    );
}

#[test]
fn an_empty_command_is_invalid() {
    let nothing: [&str; 0] = [];
    let executors = [
        SimpleExecutor::new("").boxed(),
        SimpleExecutor::new("  ").boxed(),
        SimpleExecutor::new(nothing).boxed(),
        SimpleExecutor::new([""]).boxed(),
        SimpleExecutor::new("").shell(true).boxed(),
        TcpExecutor::new("", "127.0.0.1", 0).boxed(),
    ];
    for executor in &executors {
        let text = mistake(executor).to_string();
        assert!(
            text.ends_with("reason:      the command is empty"),
            "{text}"
        );
    }
}

#[test]
fn nul_bytes_are_invalid() {
    for executor in [
        SimpleExecutor::new(["echo", "a\0b"]),
        SimpleExecutor::new(["echo", "a\0b"]).shell(true),
        SimpleExecutor::new("echo a\0b").shell(true),
    ] {
        let error = mistake(&executor.boxed());
        assert!(
            error
                .to_string()
                .contains("the command contains a NUL byte"),
            "{error}"
        );
    }
    assert_invalid(
        |command| SimpleExecutor::new(command).env("NAME", "a\0b").boxed(),
        "the value of the environment variable \"NAME\" contains a NUL byte",
    );
}

#[test]
fn an_impossible_name_of_a_variable_is_invalid() {
    for name in ["", "A=B", "A\0B"] {
        assert_invalid(
            |command| SimpleExecutor::new(command).env(name, "value").boxed(),
            &format!("\"{name}\" cannot be the name of an environment variable"),
        );
    }
}

#[test]
fn an_empty_path_is_invalid() {
    assert_invalid(
        |command| PidExecutor::new(command, "").boxed(),
        "the file's name is empty",
    );
    assert_invalid(
        |command| UnixSocketExecutor::new(command, "").boxed(),
        "the socket's path is empty",
    );
}

#[test]
fn a_socket_path_that_is_too_long_is_invalid() {
    let long = Path::new("/tmp").join("s".repeat(200));
    assert_invalid(
        |command| UnixSocketExecutor::new(command, &long).boxed(),
        "the socket's path has 205 bytes, and the limit is *",
    );
}

#[test]
fn an_empty_host_is_invalid() {
    for host in ["", " "] {
        assert_invalid(
            |command| TcpExecutor::new(command, host, 0).boxed(),
            "the host is empty",
        );
    }
}

#[test]
fn a_banner_must_be_a_regular_expression() {
    assert_invalid(
        |command| OutputExecutor::new(command, "(ready").boxed(),
        "the banner is not a valid regular expression: *",
    );
}

#[test]
fn a_malformed_url_is_invalid() {
    assert_invalid_url("nonsense", "\"nonsense\" is not a valid URL: *");
    assert_invalid_url("", "\"\" is not a valid URL: *");
    assert_invalid_url(
        "http://127.0.0.1:99999/",
        "\"http://127.0.0.1:99999/\" is not a valid URL: *",
    );
    assert_invalid_url(
        "ftp://127.0.0.1/",
        "\"ftp://127.0.0.1/\" is neither an http nor an https URL",
    );
}

#[test]
fn port_0_in_a_url_is_invalid() {
    for url in [
        "http://127.0.0.1:0/",
        "HTTP://u:1@[::1]:00",
        "http://h:0?:1",
    ] {
        let reason = "names port 0, and no service listens there: write {port} for a free port";
        assert_invalid_url(url, &format!("{url:?} {reason}"));
    }
}

#[test]
fn a_url_that_two_parsers_read_differently_is_invalid() {
    for url in ["http://127.0.0.1:8\t0/", "http://a\n.b/", "h\rttp://a/"] {
        let reason = "contains a tab or the end of a line";
        assert_invalid_url(url, &format!("{url:?} {reason}"));
    }
    assert_invalid_url("http://\\path", "\"http://\\\\path\" has no host");
    assert_invalid_url("http://{{a}}/", "\"http://{a}/\": \"{a}\" cannot be a host");
}

#[test]
#[cfg(not(feature = "https"))]
fn an_https_url_without_its_feature_is_invalid() {
    let url = "https://127.0.0.1/";
    assert_invalid_url(
        url,
        "\"https://127.0.0.1/\" needs the feature `https` of mirakuru",
    );
}

#[test]
fn a_url_without_a_host_is_invalid() {
    assert_invalid_url("http://", "\"http://\" *");
    assert_invalid_url("http:///path", "\"http:///path\" has no host");
    assert_invalid_url("http://:80/", "\"http://:80/\" *");
    assert_invalid_url("http://?query", "\"http://?query\" *");
    assert_invalid_url("http:", "\"http:\" *");
    assert_invalid_url("http:/path", "\"http:/path\" *");
}

#[test]
fn a_status_must_be_a_regular_expression() {
    assert_invalid(
        |command| HttpExecutor::new(command, URL).status("2(").boxed(),
        "the status \"2(\" is not a valid regular expression: *",
    );
}

#[test]
fn a_malformed_method_is_invalid() {
    for method in ["", "GE T"] {
        assert_invalid(
            |command| HttpExecutor::new(command, URL).method(method).boxed(),
            &format!("{method:?} is not an HTTP method"),
        );
    }
}

#[test]
fn a_malformed_header_is_invalid() {
    assert_invalid(
        |command| {
            HttpExecutor::new(command, URL)
                .header("two words", "value")
                .boxed()
        },
        "\"two words\" is not a valid header name",
    );
    assert_invalid(
        |command| {
            HttpExecutor::new(command, URL)
                .header("Name", "two\nlines")
                .boxed()
        },
        "\"two\\nlines\" is not a valid header value",
    );
}

#[test]
fn an_unknown_placeholder_is_invalid_in_every_option() {
    let error = mistake(&SimpleExecutor::new("serve --port {prot}").boxed());
    assert_error_text(
        &error,
        &[
            "`serve --port {prot}` cannot be started: the configuration is invalid",
            &format!("  reason:      {UNKNOWN}"),
        ],
    );
    let error = mistake(&SimpleExecutor::new("serve {prot}").shell(true).boxed());
    assert!(error.to_string().contains(UNKNOWN), "{error}");
    assert_invalid(
        |command| SimpleExecutor::new(command).env("A", "{prot}").boxed(),
        UNKNOWN,
    );
    assert_invalid(
        |command| SimpleExecutor::new(command).cwd("/{prot}").boxed(),
        UNKNOWN,
    );
    assert_invalid(
        |command| TcpExecutor::new(command, "{prot}", 0).boxed(),
        UNKNOWN,
    );
    assert_invalid(
        |command| UnixSocketExecutor::new(command, "/{prot}").boxed(),
        UNKNOWN,
    );
    assert_invalid(
        |command| PidExecutor::new(command, "/{prot}").boxed(),
        UNKNOWN,
    );
    assert_invalid(
        |command| HttpExecutor::new(command, "http://h/{prot}").boxed(),
        UNKNOWN,
    );
}

#[test]
fn an_unknown_user_is_invalid() {
    assert_invalid(
        |command| {
            SimpleExecutor::new(command)
                .user("nobody-has-this-name")
                .boxed()
        },
        "this system has no user \"nobody-has-this-name\"",
    );
}

#[test]
fn each_part_of_a_combined_check_is_validated() {
    let wrong = |check: Box<dyn Readiness>, reason: &str| {
        assert_invalid(
            |command| Executor::with_readiness(command, check).boxed(),
            reason,
        );
    };
    let right = || Output::new("ready");
    wrong(
        Box::new(right().and(PidFile::new(""))),
        "the file's name is empty",
    );
    wrong(
        Box::new(PidFile::new("").or(right())),
        "the file's name is empty",
    );
    wrong(
        Box::new(right().then(Http::new("nonsense"))),
        "\"nonsense\" is not a valid URL: *",
    );
}

/// Returns the child processes of this process.
#[cfg(target_os = "linux")]
fn children() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").expect("procfs");
    let children = threads.map(|thread| {
        let thread = thread.expect("procfs").path();
        std::fs::read_to_string(thread.join("children")).expect("it lives")
    });
    let listed: Vec<_> = children.collect();
    let pids = listed.iter().flat_map(|listed| listed.split_whitespace());
    pids.map(str::to_owned).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn an_invalid_configuration_starts_no_supervisor() {
    if is_alone() {
        let url = "http://127.0.0.1:{prot}/";
        let executors = [
            SimpleExecutor::new("'").boxed(),
            OutputExecutor::new("x", "(").boxed(),
            TcpExecutor::new("x {prot}", "127.0.0.1", 0).boxed(),
            // No fixed port is leased for it either.
            TcpExecutor::new("x {prot}", "127.0.0.1", 9).boxed(),
            HttpExecutor::new("x {port}", url).boxed(),
            PidExecutor::new("x", "").boxed(),
            UnixSocketExecutor::new("x", "{tmpdir}/{socket")
                .cwd("{nothing}")
                .boxed(),
        ];
        for executor in &executors {
            mistake(executor);
            assert_eq!(children(), [""; 0], "{executor}");
        }
        return;
    }
    alone(
        "invalid_config::an_invalid_configuration_starts_no_supervisor",
        "",
        |_| {},
    );
}
