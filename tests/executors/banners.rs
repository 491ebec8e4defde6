//! The banner: it is found however the service writes it.

use std::time::Duration;

use mirakuru::{ErrorKind, OutputExecutor, Result, Stream};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::PROGRAM;

/// Returns a service that is ready when `banner` is found in what it prints with these arguments.
#[track_caller]
fn find(arguments: &[&str], banner: &str) -> OutputExecutor {
    let command = [&[PROGRAM, "prints"], arguments].concat();
    let service = OutputExecutor::new(command, banner).timeout(Duration::from_secs(10));
    at_once(|| service.started()).expect("the banner is found")
}

#[track_caller]
fn is_found(arguments: &[&str], banner: &str) {
    drop(find(arguments, banner));
}

fn is_not_found(service: OutputExecutor) -> String {
    let error = error_of(service.timeout(Duration::from_secs(2)).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    error.to_string()
}

#[test]
fn a_banner_split_over_writes_is_found() {
    is_found(
        &["--split", "something else", "is ready to serve"],
        "^is ready to serve$",
    );
}

#[test]
fn a_banner_without_a_newline_is_found() {
    is_found(&["--no-newline", "first", "Password: "], "^Password: $");
    is_found(&["--no-newline", "--split", "ready"], "^ready$");
}

#[test]
fn a_coloured_banner_is_found() {
    is_found(
        &[r"\e[1;32mready\e[0m on \e[4m80\e[24m80"],
        "^ready on 8080$",
    );
    is_found(&[r"\e]0;a title\x07ready"], "^ready$");
}

#[test]
fn a_banner_next_to_invalid_utf_8_is_found() -> Result<()> {
    let service = find(&[r"\xff\xfe ready", r"caf\xe9"], "ready$");
    assert_eq!(service.output().wait_for("^caf")?, "caf\u{fffd}");
    assert_eq!(
        service.output().text(),
        "\u{fffd}\u{fffd} ready\ncaf\u{fffd}\n"
    );
    Ok(())
}

#[test]
fn a_banner_across_invalid_utf_8_is_found() {
    is_found(&[r"ready \xff\xfe now"], "^ready .* now$");
}

#[test]
fn a_banner_with_letters_of_any_alphabet_is_found() {
    is_found(&["bereit für Anfragen"], r"^bereit f\wr Anfragen$");
}

#[test]
fn a_banner_with_a_carriage_return_is_found() {
    is_found(&[r"ready\x0d"], "^ready$");
}

#[test]
fn a_banner_at_the_end_of_a_long_line_is_found() {
    let long = "x".repeat(100_000);
    is_found(&[&format!("{long} ready")], "x ready$");
}

#[test]
fn a_banner_after_an_empty_line_is_found() {
    is_found(&["", "", "ready"], "ready");
    is_found(&[""], "^$");
}

#[test]
fn a_banner_on_either_stream_is_found_by_default() {
    is_found(&["ready"], "ready");
    is_found(&["--stderr", "ready"], "ready");
}

#[test]
fn a_banner_can_be_limited_to_one_stream() -> Result<()> {
    let script = "echo ready; sleep 0.2; echo ready on stderr >&2; exec sleep 60";
    let service = OutputExecutor::new(script, "ready")
        .shell(true)
        .stream(Stream::Stderr);
    assert_eq!(service.start()?.err_output().text(), "ready on stderr\n");
    let script = "echo ready >&2; sleep 0.2; echo ready on stdout; exec sleep 60";
    let service = OutputExecutor::new(script, "ready")
        .shell(true)
        .stream(Stream::Stdout);
    assert_eq!(service.start()?.output().text(), "ready on stdout\n");
    for arguments in [&["ready"][..], &["--stderr", "ready"]] {
        let command = [&[PROGRAM, "prints"], arguments].concat();
        let service = OutputExecutor::new(command, "ready").stream(Stream::Both);
        at_once(|| service.start().map(drop))?;
    }
    Ok(())
}

#[test]
fn a_banner_on_the_other_stream_is_not_found() {
    let service = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready").stream(Stream::Stderr);
    let error = is_not_found(service);
    assert!(
        error.contains("a line of its standard error that matches \"ready\""),
        "{error}"
    );
    let service = OutputExecutor::new([PROGRAM, "prints", "--stderr", "ready"], "ready");
    let error = is_not_found(service.stream(Stream::Stdout));
    assert!(
        error.contains("a line of its standard output that matches \"ready\""),
        "{error}"
    );
}

#[test]
fn a_banner_does_not_match_over_the_end_of_a_line() {
    is_not_found(OutputExecutor::new(
        [PROGRAM, "prints", "rea", "dy"],
        "rea\\s*dy",
    ));
}

#[test]
fn closed_output_is_not_ready_and_causes_no_busy_loop() {
    let script = "exec >&- 2>&-; exec sleep 60";
    is_not_found(OutputExecutor::new(script, "ready").shell(true));
}

#[test]
fn named_groups_are_captured() -> Result<()> {
    let line = "db 16.2 listening on port 5433 as main";
    let banner = r"db (?<version>[\d.]+) .* as (?<name>\w+)(?<suffix>!)?";
    let service = OutputExecutor::new([PROGRAM, "prints", line], banner);
    assert_eq!(service.captured("version"), None, "not before it is ready");
    service.start()?;
    assert_eq!(service.captured("version").as_deref(), Some("16.2"));
    assert_eq!(service.captured("name").as_deref(), Some("main"));
    assert_eq!(
        service.captured("suffix"),
        None,
        "a group that did not match"
    );
    assert_eq!(service.captured("unknown"), None);
    service.stop()?;
    assert_eq!(
        service.captured("name").as_deref(),
        Some("main"),
        "after the stop too"
    );
    Ok(())
}

#[test]
fn a_banner_that_matches_only_as_plain_text_is_reported() {
    let reported = "last check:  no line matched; one contains the banner's exact text, but the banner is a regular expression: ";
    let error = is_not_found(OutputExecutor::new([PROGRAM, "prints", "up (1)"], "up (1)"));
    assert!(error.contains(reported), "{error}");
    let error = is_not_found(OutputExecutor::new([PROGRAM, "prints", "up 2"], "up (1)"));
    assert!(error.contains("last check:  no line matched\n"), "{error}");
}
