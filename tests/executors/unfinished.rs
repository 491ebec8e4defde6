//! Unfinished lines, carriage returns, and banners that can never match.

use std::time::{Duration, Instant};

use mirakuru::{
    AnyExecutor, ErrorKind, Executor, OutputExecutor, Readiness, Result, SimpleExecutor, Stdio,
    Stream,
    readiness::{Output, PidFile},
};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::PROGRAM;

/// Returns a shell script that prints a part of a line, and the rest after a pause in which the check sees the first
/// part.
fn in_two_parts(first: &str, rest: &str) -> String {
    format!("printf '{first}'; sleep 0.1; printf '{rest}'; exec sleep 60")
}

#[test]
fn a_number_written_in_two_parts_is_captured_whole() -> Result<()> {
    let script = in_two_parts("listening on 12", "345\\n");
    let service = OutputExecutor::new(script, r"listening on (?<port>\d+)").shell(true);
    assert_eq!(service.start()?.port(), 12345);
    Ok(())
}

#[test]
fn a_match_that_more_text_could_change_is_not_final() -> Result<()> {
    for (first, rest, banner, group) in [
        ("a x b", " y b\\n", "(?<all>a.*b)", "a x b y b"),
        ("foo", "bar\\n", "(?<all>foobar|foo)", "foobar"),
        ("up a", "b\\nup a\\n", "(?<all>up a)$", "up a"),
        ("caf\\303", "\\251\\n", "(?<all>caf.)", "café"),
    ] {
        let service = OutputExecutor::new(in_two_parts(first, rest), banner).shell(true);
        service.start()?;
        assert_eq!(service.captured("all").as_deref(), Some(group), "{banner}");
    }
    Ok(())
}

#[test]
fn a_match_that_is_final_counts_at_once() {
    for (line, banner) in [
        ("ready to serve", "^ready"),
        ("foo", "foo|foobar"),
        ("port 80 is", r"port (?<port>\d+) "),
        ("\\033[1mready\\033", "ready"),
    ] {
        // The rest never comes. A line that could grow counts after one second. A start that took less did not wait for
        // that second, however slow the machine is.
        let script = format!("printf '{line}'; exec sleep 60");
        let is_quick = || {
            let service = OutputExecutor::new(&*script, banner).shell(true);
            let begin = Instant::now();
            service.start().expect("it gets ready");
            begin.elapsed() < Duration::from_secs(1)
        };
        assert!((0..10).any(|_| is_quick()), "{banner}");
    }
}

#[test]
fn a_line_that_does_not_grow_for_a_second_counts() -> Result<()> {
    let script = "printf 'Password: '; exec sleep 60";
    let service = OutputExecutor::new(script, "^Password: $").shell(true);
    at_once(|| service.start().map(drop))
}

#[test]
fn a_line_that_the_end_of_output_cuts_counts() -> Result<()> {
    let service = OutputExecutor::new("printf 'up 12'", r"up (?<n>\d+)").shell(true);
    service.start()?;
    assert_eq!(service.captured("n").as_deref(), Some("12"));
    Ok(())
}

#[test]
fn a_carriage_return_ends_a_line() -> Result<()> {
    let script = r"printf 'loading 1%%\rloading 100%%\rready\none\r\ntwo\r'; exec sleep 60";
    let service = OutputExecutor::new(script, "^ready")
        .shell(true)
        .started()?;
    let lines = service
        .output()
        .lines()
        .take(2)
        .collect::<Result<Vec<_>>>()?;
    assert_eq!(lines, ["one", "two"]);
    let text = "loading 1%\rloading 100%\rready\none\r\ntwo\r";
    assert_eq!(service.output().text(), text);
    let service = SimpleExecutor::new(script).shell(true).started()?;
    assert_eq!(service.output().wait_for("^loading 100%$")?, "loading 100%");
    Ok(())
}

#[test]
fn a_crlf_split_over_two_reads_ends_one_line() -> Result<()> {
    let script = r"printf 'ready\r'; read _ < {tmpdir}/go; printf '\none\r\n'; exec sleep 60";
    let script = format!("mkfifo {{tmpdir}}/go; {script}");
    let service = OutputExecutor::new(script, "^ready$")
        .shell(true)
        .started()?;
    let fresh = service.output();
    std::fs::write(service.tmpdir().join("go"), "\n").expect("it reads");
    assert_eq!(fresh.lines().next().expect("a line")?, "one");
    Ok(())
}

#[test]
fn the_nth_line_that_matches_counts() -> Result<()> {
    let script = "for n in 1 2 3; do echo ready $n; echo other; done; exec sleep 60";
    for n in 1..=3 {
        let service = OutputExecutor::new(script, r"ready (?<n>\d)")
            .times(n)
            .shell(true);
        service.start()?;
        assert_eq!(service.captured("n"), Some(n.to_string()));
        assert_eq!(service.output().wait_for("")?, "other");
    }
    Ok(())
}

#[test]
fn matches_are_counted_over_both_streams() -> Result<()> {
    let script = "echo up; echo up >&2; sleep 0.2; printf 'up'; exec sleep 60";
    let service = OutputExecutor::new(script, "up").times(3).shell(true);
    at_once(|| service.start().map(drop))?;
    let executor = OutputExecutor::new(script, "up").times(4).shell(true);
    let error = error_of(executor.timeout(Duration::from_secs(2)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let error = error.to_string();
    assert!(
        error.contains("waited for:  4 lines of its output that match \"up\""),
        "{error}"
    );
    assert!(
        error.contains("last check:  lines that matched: 2 of 4"),
        "{error}"
    );
    Ok(())
}

/// Asserts that the configuration is invalid, and that the start reports it before it spawns anything.
#[track_caller]
fn assert_invalid(executor: &AnyExecutor, reported: &str) {
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(error.to_string().contains(reported), "{error}");
    assert_eq!(executor.pid(), None);
}

#[test]
fn a_banner_that_contains_a_newline_is_invalid() {
    for banner in ["one\ntwo", r"one\ntwo", r"ready\r\n", r"one[\n]two"] {
        let executor = OutputExecutor::new([PROGRAM, "prints", "one", "two"], banner);
        assert_invalid(&executor.boxed(), "contains a line break");
    }
}

#[test]
fn a_banner_in_redirected_streams_is_invalid() {
    let reported = "every stream in which the check looks for it is redirected";
    let make = || OutputExecutor::new([PROGRAM, "prints", "ready"], "ready");
    let both = make().stdout(Stdio::null()).stderr(Stdio::inherit());
    assert_invalid(&both.boxed(), reported);
    let one = make().stream(Stream::Stderr).stderr(Stdio::null());
    assert_invalid(&one.boxed(), reported);
    let check = PidFile::new("/no/such/file").or(Output::new("ready"));
    let combined = Executor::with_readiness("sleep 60", check);
    let combined = combined.stdout(Stdio::null()).stderr(Stdio::null());
    assert_invalid(&combined.boxed(), reported);
}

#[test]
fn a_banner_in_one_of_two_streams_is_found() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "--stderr", "ready"], "ready");
    service.stdout(Stdio::null()).start()?;
    Ok(())
}

#[test]
fn a_banner_that_must_match_zero_times_is_invalid() {
    let executor = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready").times(0);
    assert_invalid(&executor.boxed(), "must be 1 or more");
}
