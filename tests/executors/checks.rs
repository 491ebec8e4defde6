//! Checks are values: they combine, and users write their own.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mirakuru::{
    Context, Error, ErrorKind, Executor, NotReady, Readiness, Result,
    readiness::{ConfigError, Output, PidFile, Tcp, UnixSocket},
};
use mirakuru_tests::error_text::{assert_error_text, error_of};

use crate::PROGRAM;

/// A shell script that prints `one`, and after a while `two`.
const ONE_TWO: &str = "echo one; sleep 0.2; echo two; exec sleep 60";
const ONE: &str = "echo one; exec sleep 60";

fn ready_text<R: Readiness>(script: &str, check: R) -> Result<String> {
    let service = Executor::with_readiness(script, check)
        .shell(true)
        .started()?;
    Ok(service.output().text())
}

fn overdue<R: Readiness>(check: R) -> Error {
    let executor = Executor::with_readiness([PROGRAM, "prints", "one"], check);
    error_of(executor.timeout(Duration::from_secs(2)).start())
}

#[test]
fn an_answer_after_the_death_is_not_ready() {
    // The check passes, but not before the process has died.
    let executor = Executor::when([PROGRAM, "exits", "3"], |cx: &Context| {
        cx.output().wait_for("never").is_err()
    });
    let error = error_of(executor.start());
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::ProcessExitedWithError, Some(3))
    );
}

#[test]
fn and_needs_both_checks() -> Result<()> {
    assert_eq!(
        ready_text(ONE_TWO, Output::new("two").and(Output::new("one")))?,
        "one\ntwo\n"
    );
    assert_eq!(
        ready_text(ONE_TWO, Output::new("one").and(Output::new("two")))?,
        "one\ntwo\n"
    );
    Ok(())
}

#[test]
fn or_needs_one_check() -> Result<()> {
    assert_eq!(
        ready_text(ONE, Output::new("two").or(Output::new("one")))?,
        "one\n"
    );
    assert_eq!(
        ready_text(ONE, Output::new("one").or(Output::new("two")))?,
        "one\n"
    );
    Ok(())
}

#[test]
fn then_needs_one_check_after_the_other() -> Result<()> {
    assert_eq!(
        ready_text(ONE_TWO, Output::new("one").then(Output::new("two")))?,
        "one\ntwo\n"
    );
    Ok(())
}

/// A check that passes only at its first call in a start.
struct AtFirst(AtomicUsize);

impl Readiness for AtFirst {
    fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(NotReady::new("it was ready once")),
        }
    }
}

#[test]
fn then_asks_a_passed_check_once_in_a_start() -> Result<()> {
    let first = Arc::new(AtFirst(AtomicUsize::new(0)));
    let check = Arc::clone(&first).then(Output::new("two"));
    let service = Executor::with_readiness(ONE_TWO, check)
        .shell(true)
        .started()?;
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
    first.0.store(0, Ordering::Relaxed);
    service.restart()?;
    assert_eq!(first.0.load(Ordering::Relaxed), 1, "each start asks again");
    Ok(())
}

#[test]
fn and_asks_a_passed_check_again() {
    let error = overdue(AtFirst(AtomicUsize::new(0)).and(Output::new("two")));
    assert!(
        error.to_string().contains("last check:  it was ready once"),
        "{error}"
    );
}

#[test]
fn an_error_shows_every_part_of_a_combined_check() {
    let file = PidFile::new("/no/such/file");
    let check = Output::new("one").then(file.or(Output::new("two")));
    assert_error_text(
        &overdue(check),
        &[
            "`programs prints one` was not ready in time",
            "  waited for:  a line of its output that matches \"one\", then the file /no/such/file to exist, or a line of its output that matches \"two\"",
            "  how long:    TIME",
            "  last check:  No such file or directory (os error 2); no line matched",
            "  process:     was running with pid PID",
            "  output, last lines:",
            "    | one",
        ],
    );
    let error = overdue(Output::new("one").and(PidFile::new("/no/such/file"))).to_string();
    let waited_for = "waited for:  a line of its output that matches \"one\", and the file /no/such/file to exist\n";
    assert!(error.contains(waited_for), "{error}");
}

#[test]
fn a_combined_check_merges_the_targets_of_its_parts() -> Result<()> {
    let command =
        format!("'{PROGRAM}' binds_unix {{socket}} & exec '{PROGRAM}' listens_late {{port}} 100");
    let check = Tcp::new("127.0.0.1", 0).and(UnixSocket::new("{socket}"));
    let service = Executor::with_readiness(command, check)
        .shell(true)
        .started()?;
    assert_ne!(service.port(), 0);
    assert!(service.socket().exists());
    Ok(())
}

/// A check that passes once a file of the private directory holds the pid.
#[derive(Default)]
struct PidWritten {
    asked_before: Arc<AtomicUsize>,
}

impl Readiness for PidWritten {
    fn pre_start_check(&self, cx: &Context) -> bool {
        assert_eq!(cx.pid(), None);
        self.asked_before.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        assert_eq!(self.asked_before.load(Ordering::Relaxed), 1);
        assert!(cx.remaining() <= Duration::from_secs(60));
        let reported = fs::read_to_string(cx.tmpdir().join("reported"))?;
        let pid = cx.pid().ok_or_else(|| NotReady::new("no pid"))?;
        if reported == format!("{pid}\n") {
            Ok(())
        } else {
            Err(NotReady::new(format!("it reported {reported:?}")))
        }
    }

    fn describe(&self, cx: &Context) -> String {
        format!("its pid in {}", cx.tmpdir().display())
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        if cx.host() == "127.0.0.1" {
            Ok(())
        } else {
            Err("another host".into())
        }
    }
}

#[test]
fn a_custom_check_works_like_a_built_in_one() -> Result<()> {
    let command =
        "echo $$ >{tmpdir}/reported.new; mv {tmpdir}/reported.new {tmpdir}/reported; exec sleep 60";
    let service = Executor::with_readiness(command, PidWritten::default())
        .shell(true)
        .started()?;
    assert!(service.running());
    let executor = Executor::with_readiness([PROGRAM, "prints", "one"], PidWritten::default())
        .timeout(Duration::from_secs(2));
    let error = error_of(executor.start());
    let directory = executor.tmpdir();
    let story = error.to_string();
    assert!(
        story.contains(&format!(
            "waited for:  its pid in {}\n",
            directory.display()
        )),
        "{story}"
    );
    assert!(
        story.contains("last check:  No such file or directory (os error 2)\n"),
        "{story}"
    );
    Ok(())
}

#[test]
fn a_closure_receives_the_whole_context() -> Result<()> {
    let command =
        "echo out; echo err >&2; echo {host} {port} {tmpdir} >{tmpdir}/reported; exec sleep 60";
    let ready = |cx: &Context| {
        let expected = format!("{} {} {}\n", cx.host(), cx.port(), cx.tmpdir().display());
        let reported = fs::read_to_string(cx.tmpdir().join("reported"))
            .is_ok_and(|reported| reported == expected);
        let said = cx.output().text() == "out\n" && cx.err_output().text() == "err\n";
        reported && said && cx.pid().is_some()
    };
    let service = Executor::when(command, ready).shell(true).started()?;
    assert_ne!(service.port(), 0);
    assert_eq!(service.host(), "127.0.0.1");
    Ok(())
}

#[test]
fn the_validation_error_of_a_custom_check_is_reported() {
    struct Picky;

    impl Readiness for Picky {
        fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
            Ok(())
        }

        fn validate(&self, _cx: &Context) -> Result<(), ConfigError> {
            Err("it is never right".into())
        }
    }

    let error = error_of(Executor::with_readiness([PROGRAM, "prints"], Picky).start());
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error
            .to_string()
            .ends_with("reason:      it is never right"),
        "{error}"
    );
}
