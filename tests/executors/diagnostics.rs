//! The environment variables for the developer who runs the tests, and the log lines of each step.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use mirakuru::{ErrorKind, OnConflict, OutputExecutor, Signal, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{bounds::at_once, error_text::error_of};
use regex::Regex;
use serde_json::Value;

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

fn prints(words: &[&str]) -> OutputExecutor {
    OutputExecutor::new([&[PROGRAM, "prints"], words].concat(), "hello")
}

/// Returns the directory of all files that a run keeps. A process that no runner has started is its own run.
fn place_of(kept: &Path) -> &Path {
    let place = kept.parent().expect("it has a parent directory");
    assert!(place.join("services.txt").is_file(), "{}", place.display());
    place
}

/// Returns what the test writes to standard error when it runs again with this variable.
#[track_caller]
fn stderr_of(test: &str, variable: &str, value: &str) -> String {
    let test = format!("diagnostics::{test}");
    let output = alone(&test, "", |command: &mut Command| {
        command.env(variable, value).env_remove("NEXTEST_RUN_ID");
    });
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_step_is_reported_in_one_line() {
    if is_alone() {
        let prints = prints(&["hello"]).name("the service");
        prints.start().expect("it starts");
        let pid = prints.pid().expect("it runs");
        prints.stop().expect("it stops");
        println!("pid {pid}");
        return;
    }
    let reported = stderr_of("each_step_is_reported_in_one_line", "MIRAKURU_LOG", "1");
    let steps = [
        "starts",
        "runs with pid ",
        r"is ready after [\d.]+ m?s: pid \d+$",
        "is stopped: SIGTERM to pid ",
        "is gone after ",
    ];
    let lines: Vec<_> = reported.lines().collect();
    assert_eq!(lines.len(), steps.len(), "{reported}");
    for (line, step) in lines.iter().zip(steps) {
        let what = format!(
            r"^mirakuru \d\d:\d\d:\d\d\.\d{{3}}Z diagnostics::each_step_is_reported_in_one_line: the service {step}"
        );
        let reported = Regex::new(&what).expect("a valid expression");
        assert!(reported.is_match(line), "{line}");
    }
    for off in ["", "0", "off", "False"] {
        let silent = stderr_of("each_step_is_reported_in_one_line", "MIRAKURU_LOG", off);
        assert_eq!(silent, "");
    }
}

#[test]
fn each_line_of_output_is_reported_when_it_arrives() {
    if is_alone() {
        let first = prints(&["hello", "world"]).name("first");
        first.start().expect("it starts");
        // The main process has ended when the other process prints, to the other stream and without a line end.
        let script =
            "(until test -e {tmpdir}/go; do sleep 0.02; done; printf late >&2) & echo ready";
        let second = OutputExecutor::new(script, "ready")
            .shell(true)
            .name("second");
        second.start().expect("it starts");
        let ended = second.wait_for(|| second.exit_code().is_some());
        ended.expect("the main process ends");
        fs::write(second.tmpdir().join("go"), "").expect("own directory");
        let printed = second.wait_for(|| second.err_output().text() == "late");
        printed.expect("the other prints");
        second.kill().expect("it is killed");
        error_of(
            OutputExecutor::new("echo failed; exit 3", "never")
                .shell(true)
                .name("third")
                .start(),
        );
        return;
    }
    let reported = stderr_of(
        "each_line_of_output_is_reported_when_it_arrives",
        "MIRAKURU_LOG",
        "output",
    );
    let is_step = |line: &&str| line.starts_with("mirakuru ");
    let mut lines: Vec<_> = reported.lines().filter(|line| !is_step(line)).collect();
    lines.sort_unstable();
    let expected = [
        "first: hello",
        "first: world",
        "second: late",
        "second: ready",
        "third: failed",
    ];
    assert_eq!(lines, expected, "{reported}");
}

#[test]
fn a_report_shows_only_the_first_line_of_a_script() {
    if is_alone() {
        let script = "echo starting\necho hello\nexec sleep 60";
        let service = OutputExecutor::new(script, "hello").shell(true).started();
        drop(service.expect("it starts"));
        return;
    }
    let reported = stderr_of(
        "a_report_shows_only_the_first_line_of_a_script",
        "MIRAKURU_LOG",
        "1",
    );
    assert_eq!(
        reported
            .matches("`echo starting …` (OutputExecutor) ")
            .count(),
        5,
        "{reported}"
    );
    assert!(!reported.contains("exec sleep"), "{reported}");
}

/// The variables, the values that each accepts, and invalid values.
const INVALID: &[(&str, &str, &[&str])] = &[
    (
        "MIRAKURU_LOG",
        "1, output or 0",
        &["outputs", "2", "debug", " 1"],
    ),
    (
        "MIRAKURU_KEEP",
        "1, failed or 0",
        &["fail", "all", "-1", "1,failed"],
    ),
    (
        "MIRAKURU_TIMEOUT_SCALE",
        "a positive number",
        &["much", "0", "-1", "inf", "NaN", "2x"],
    ),
    (
        "MIRAKURU_QUEUE_TIMEOUT",
        "a whole number of seconds",
        &["abc", "10s", "-1", "0.5"],
    ),
];

#[test]
fn an_invalid_value_of_a_variable_is_reported() {
    if is_alone() {
        let error = error_of(prints(&["hello"]).start());
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        eprintln!("{error}");
        return;
    }
    for (variable, form, values) in INVALID {
        for value in *values {
            let reported = stderr_of(
                "an_invalid_value_of_a_variable_is_reported",
                variable,
                value,
            );
            let reason = format!("{variable} must be {form}, got `{value}`\n");
            assert!(reported.contains(&reason), "{reported}");
        }
    }
}

#[test]
fn the_words_of_a_variable_are_accepted_in_any_case() {
    if is_alone() {
        prints(&["hello"]).start().expect("it starts");
        return;
    }
    for (variable, further) in [("MIRAKURU_LOG", "Output"), ("MIRAKURU_KEEP", "FAILED")] {
        for value in ["", "0", "No", "OFF", "false", further] {
            stderr_of(
                "the_words_of_a_variable_are_accepted_in_any_case",
                variable,
                value,
            );
        }
    }
    for value in ["1", "Yes", "ON", "true"] {
        stderr_of(
            "the_words_of_a_variable_are_accepted_in_any_case",
            "MIRAKURU_LOG",
            value,
        );
    }
}

#[test]
fn a_timeline_that_cannot_be_written_is_reported_once() {
    if is_alone() {
        for _ in 0..3 {
            drop(prints(&["hello"]).started().expect("it starts"));
        }
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = directory.path().join("missing/new.json");
    for place in [directory.path(), &missing, Path::new("/dev/null")] {
        let place = place.to_str().expect("text");
        let reported = stderr_of(
            "a_timeline_that_cannot_be_written_is_reported_once",
            "MIRAKURU_TRACE",
            place,
        );
        let reported: Vec<_> = reported
            .lines()
            .filter(|line| line.contains("MIRAKURU_TRACE"))
            .collect();
        let mistake =
            format!("mirakuru: MIRAKURU_TRACE must be a file that can be written, got `{place}` (");
        assert_eq!(reported.len(), 1, "{reported:?}");
        assert!(reported[0].starts_with(&mistake), "{reported:?}");
        assert!(
            reported[0].ends_with(": no timeline is written"),
            "{reported:?}"
        );
    }
}

#[test]
fn kept_files_are_reported_and_stay() {
    if is_alone() {
        let prints = prints(&["hello", "for", "people"]).started();
        let prints = prints.expect("it starts");
        fs::write(prints.tmpdir().join("state"), "left").expect("own directory");
        prints.restart().expect("it starts again");
        return;
    }
    let reported = stderr_of("kept_files_are_reported_and_stay", "MIRAKURU_KEEP", "1");
    let kept = reported.lines().find_map(|line| {
        line.split_once("keeps its files in ")
            .map(|(_, path)| PathBuf::from(path))
    });
    let kept = kept.unwrap_or_else(|| panic!("nothing is kept:\n{reported}"));
    let text = |name: &str| fs::read_to_string(kept.join(name)).expect("it is kept");
    assert_eq!(text("captured-stdout-1.log"), "hello\nfor\npeople\n");
    assert_eq!(text("captured-stdout-2.log"), "hello\nfor\npeople\n");
    assert_eq!(text("captured-stderr-1.log"), "");
    assert_eq!(text("state"), "left");
    fs::remove_dir_all(place_of(&kept)).expect("own directory");
}

#[test]
fn files_of_a_failed_service_are_kept_on_request() {
    if is_alone() {
        prints(&["hello"])
            .started()
            .expect("it starts")
            .stop()
            .expect("it stops");
        error_of(
            OutputExecutor::new([PROGRAM, "prints", "--then-exit", "1", "why"], "never").start(),
        );
        return;
    }
    let reported = stderr_of(
        "files_of_a_failed_service_are_kept_on_request",
        "MIRAKURU_KEEP",
        "failed",
    );
    let kept: Vec<_> = reported
        .lines()
        .filter_map(|line| line.split_once("keeps its files in "))
        .map(|(_, path)| PathBuf::from(path))
        .collect();
    assert_eq!(kept.len(), 1, "{reported}");
    let text = fs::read_to_string(kept[0].join("captured-stdout-1.log"));
    assert_eq!(text.expect("it is kept"), "why\n");
    fs::remove_dir_all(place_of(&kept[0])).expect("own directory");
}

#[test]
fn a_directory_that_must_not_be_kept_is_removed() {
    let test = "a_directory_that_must_not_be_kept_is_removed";
    if is_alone() {
        let prints = prints(&["hello"]).keep_tmpdir(false).started();
        let prints = prints.expect("it starts");
        let fails = OutputExecutor::new([PROGRAM, "exits", "1"], "never").keep_tmpdir(false);
        let directories = [prints.tmpdir(), fails.tmpdir()];
        error_of(fails.start());
        drop((prints, fails));
        for directory in directories {
            assert!(!directory.exists(), "{}", directory.display());
        }
        return;
    }
    for keep in ["1", "failed"] {
        assert_eq!(stderr_of(test, "MIRAKURU_KEEP", keep), "");
    }
}

#[test]
fn a_timeline_has_one_row_per_executor() {
    if is_alone() {
        let first = prints(&["hello", "\"quoted\""]).started();
        let second = prints(&["hello"]).name("the second").started();
        drop((first.expect("it starts"), second.expect("it starts")));
        let fails = OutputExecutor::new([PROGRAM, "prints", "--then-exit", "1", "x"], "never");
        fails.start().expect_err("it ends first");
        return;
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("text");
    // The tests of a nextest run write one common file in the same way.
    for _ in 0..2 {
        stderr_of(
            "a_timeline_has_one_row_per_executor",
            "MIRAKURU_TRACE",
            path,
        );
    }
    let text = fs::read_to_string(path).expect("own file");
    let events: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let named = |name: &str| {
        let named = events.iter().filter(move |event| event["name"] == *name);
        named.collect::<Vec<_>>()
    };
    assert_eq!(named("waiting").len(), 6);
    assert_eq!(named("ready").len(), 4);
    assert_eq!(named("thread_name").len(), 6);
    for waiting in named("waiting") {
        assert_eq!(waiting["ph"], "X");
        let of_its_row = |event: &&Value| event["tid"] == waiting["tid"];
        let end = |event: &Value| event["ts"].as_u64().zip(event["dur"].as_u64());
        let (begin, lasted) = end(waiting).expect("numbers");
        if let Some(ready) = named("ready").into_iter().find(of_its_row) {
            assert_eq!(
                ready["ts"],
                begin + lasted,
                "it is ready at the end of its wait"
            );
        }
        assert!(named("stopping").iter().any(of_its_row));
    }
    let executors: Vec<_> = named("thread_name");
    let of_the_second = executors
        .iter()
        .filter(|event| event["args"]["name"] == format!("the second {PROGRAM} prints hello"));
    assert_eq!(of_the_second.count(), 2);
}

#[test]
fn every_timeout_is_scaled() {
    if is_alone() {
        let silent = OutputExecutor::new([PROGRAM, "prints", "x"], "never");
        let error = at_once(|| error_of(silent.start()));
        assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
        return;
    }
    // The scaled timeout is a hundredth of the sixty seconds.
    stderr_of("every_timeout_is_scaled", "MIRAKURU_TIMEOUT_SCALE", "0.01");
}

#[test]
fn a_slow_start_reports_the_check_that_it_waits_for() {
    if is_alone() {
        log::set_logger(&SEEN).expect("the first logger");
        log::set_max_level(LevelFilter::Info);
        let slow = OutputExecutor::new([PROGRAM, "prints", "loading"], "never");
        error_of(slow.timeout(Duration::from_secs(6)).start());
        let seen = SEEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_slow = |(_, _, text): &&(_, _, String)| text.contains("is not ready after");
        let (_, level, text) = seen.iter().find(is_slow).expect("a record");
        assert_eq!(*level, Level::Info);
        assert!(text.contains("elapsed_ms="), "{text}");
        return;
    }
    let reported = stderr_of(
        "a_slow_start_reports_the_check_that_it_waits_for",
        "MIRAKURU_LOG",
        "",
    );
    assert_eq!(reported.lines().count(), 1, "{reported}");
    // The line must not come before five seconds; on a slow machine it may come later.
    let late = Regex::new(r"\(OutputExecutor\) is not ready after [5-9]\.");
    assert!(
        late.expect("a valid expression").is_match(&reported),
        "{reported}"
    );
    assert!(reported.contains("matches \"never\""), "{reported}");
    assert!(
        reported.trim_end().ends_with("printed last: loading"),
        "{reported}"
    );
}

/// A logger that stores the log records.
struct Seen(Mutex<Vec<(String, Level, String)>>);

static SEEN: Seen = Seen(Mutex::new(Vec::new()));

impl Log for Seen {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let seen = (record.target().to_owned(), record.level(), text);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
    }

    fn flush(&self) {}
}

#[test]
fn each_step_is_an_event_with_fields_and_a_log_record() {
    if !is_alone() {
        stderr_of(
            "each_step_is_an_event_with_fields_and_a_log_record",
            "MIRAKURU_LOG",
            "",
        );
        return;
    }
    log::set_logger(&SEEN).expect("the first logger");
    log::set_max_level(LevelFilter::Trace);
    let prints = prints(&["hello"]).started().expect("it starts");
    let pid = prints.pid().expect("it runs");
    prints.stop().expect("it stops");
    error_of(SimpleExecutor::new("").start());
    let seen = SEEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = seen
        .iter()
        .find(|(_, _, text)| text.starts_with("failed after"));
    let (_, _, text) = failed.unwrap_or_else(|| panic!("no record: {:?}", *seen));
    assert!(text.contains(" elapsed_ms="), "{text}");
    let ready = seen
        .iter()
        .find(|(_, _, text)| text.contains("is ready after"));
    let (target, _, text) = ready.unwrap_or_else(|| panic!("no record: {:?}", *seen));
    assert_eq!(target, "mirakuru");
    for field in [
        "executor=\"OutputExecutor\"".to_owned(),
        format!("command=\"{PROGRAM} prints hello\""),
        format!("pid={pid}"),
        "elapsed_ms=".to_owned(),
    ] {
        assert!(text.contains(&field), "{field} is missing: {text}");
    }
}

#[test]
fn a_wait_for_a_port_is_reported_with_its_port_and_time() {
    if !is_alone() {
        let test = "a_wait_for_a_port_is_reported_with_its_port_and_time";
        stderr_of(test, "MIRAKURU_QUEUE_TIMEOUT", "9");
        return;
    }
    log::set_logger(&SEEN).expect("the first logger");
    log::set_max_level(LevelFilter::Info);
    let port = SimpleExecutor::new("x {port}").port();
    let queued = move || {
        let command = [PROGRAM, "listens_late", "{port}"];
        TcpExecutor::new(command, "127.0.0.1", port).on_conflict(OnConflict::Wait)
    };
    let holder = queued().started().expect("the port is free");
    // A thread that has the port itself would not wait.
    let waits = std::thread::spawn(move || error_of(queued().start()).kind());
    let kind = waits.join().expect("no panic");
    assert_eq!(kind, ErrorKind::TimeoutExpired);
    drop(holder);
    let seen = SEEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    let steps = |step: &str| {
        let texts = seen.iter().map(|(_, _, text)| text);
        let of_step = texts.filter(|text| text.starts_with(step));
        of_step.cloned().collect::<Vec<_>>()
    };
    let [begins, lasts] = ["queues for port", "has queued"].map(steps);
    // The next report would come after ten seconds.
    assert_eq!((begins.len(), lasts.len()), (1, 1), "{lasts:?}");
    let field = format!(" port={port}");
    assert!(begins[0].contains(&field), "{begins:?}");
    assert!(lasts[0].contains(&field), "{lasts:?}");
    let elapsed = Regex::new(r" elapsed_ms=[5-9]\d{3}\b").expect("a valid expression");
    assert!(elapsed.is_match(&lasts[0]), "{lasts:?}");
}

#[test]
fn a_death_before_a_restart_is_a_warning_event() {
    let test = "a_death_before_a_restart_is_a_warning_event";
    if !is_alone() {
        assert_eq!(stderr_of(test, "MIRAKURU_LOG", ""), "");
        return;
    }
    log::set_logger(&SEEN).expect("the first logger");
    log::set_max_level(LevelFilter::Warn);
    let service = OutputExecutor::new("sh -c 'echo hello; read line; exit 3'", "hello");
    service.start().expect("it starts");
    let exits = || writeln!(service.input(), "go").expect("it reads");
    let is_killed = || _ = service.signal(Signal::KILL).expect("it runs");
    let restarts = || _ = service.restart().expect("its end is not an error");
    let is_stopped = || drop(service.stopped().expect("its end is not an error"));
    let ends: [&dyn Fn(); 2] = [&exits, &is_killed];
    for again in [&restarts as &dyn Fn(), &is_stopped] {
        for end in ends {
            let first = service.pid().expect("it runs");
            end();
            let ended = service.wait_for(|| service.exit_code().is_some());
            ended.expect("it ends");
            again();
            assert_ne!(service.pid().expect("it runs again"), first);
        }
    }
    let seen = SEEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    let warnings: Vec<_> = seen
        .iter()
        .map(|(target, level, text)| (target.as_str(), *level, text.split(" executor=").next()))
        .collect();
    let warning = |end| {
        let why = ["exited with code 3", "killed by SIGKILL (signal 9)"][end];
        format!("is not running any more, and is started again: {why}")
    };
    let expected = [0, 1, 0, 1].map(warning);
    let expected: Vec<_> = expected
        .iter()
        .map(|text| ("mirakuru", Level::Warn, Some(text.as_str())))
        .collect();
    assert_eq!(warnings, expected);
}

/// A logger that panics at every event of mirakuru.
struct Panics;

impl Log for Panics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        assert_ne!(record.target(), "mirakuru");
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_that_panics_does_not_panic_a_drop() {
    if is_alone() {
        let prints = prints(&["hello"]).started().expect("it starts");
        let pid = prints.pid().expect("it runs");
        log::set_logger(&Panics).expect("the first logger");
        log::set_max_level(LevelFilter::Trace);
        drop(prints);
        assert!(!fs::exists(format!("/proc/{pid}")).expect("procfs"));
        return;
    }
    alone(
        "diagnostics::a_logger_that_panics_does_not_panic_a_drop",
        "",
        |_| {},
    );
}

#[test]
fn events_about_a_port_have_it_as_a_field() {
    if !is_alone() {
        let test = "events_about_a_port_have_it_as_a_field";
        stderr_of(test, "MIRAKURU_LOG", "");
        return;
    }
    log::set_logger(&SEEN).expect("the first logger");
    log::set_max_level(LevelFilter::Info);
    let port = SimpleExecutor::new("x {port}").port();
    let [first, other] = [(); 2].map(|()| {
        let command = [PROGRAM, "listens_late", "{port}"];
        TcpExecutor::new(command, "127.0.0.1", port).on_conflict(OnConflict::Reuse)
    });
    first.start().expect("the port is free");
    other.start().expect("the first one answers");
    let seen = SEEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    for step in ["is ready after", "reuses the service"] {
        let text = seen.iter().find(|(_, _, text)| text.starts_with(step));
        let (_, _, text) = text.unwrap_or_else(|| panic!("no {step}: {:?}", *seen));
        assert!(text.contains(&format!(" port={port}")), "{text}");
    }
}
