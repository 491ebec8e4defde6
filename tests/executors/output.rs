//! The output of a service: all of it, the last lines, the next line, a line that matches.

use std::{
    fs::File,
    io::{Read, Write},
    thread,
    time::Duration,
};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor, Stdio};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
};

use crate::PROGRAM;

const SHORT: Duration = Duration::from_secs(2);

/// Returns a service that prints `ready` and three lines, the last one late.
fn three_lines() -> OutputExecutor {
    let script = "echo ready; echo one; echo two; sleep 0.2; echo three; exec sleep 60";
    OutputExecutor::new(script, "ready").shell(true)
}

#[test]
fn an_end_before_readiness_shows_the_first_lines_too() {
    let script = "echo no such flag >&2; seq 1 40 >&2; exit 2";
    let error = error_of(OutputExecutor::new(script, "ready").shell(true).start());
    let text = error.to_string();
    let between = "[… 21 lines between; MIRAKURU_KEEP=1 keeps all …]";
    let reported = format!("| no such flag\n    | 1\n    | 2\n    | {between}\n    | 24\n");
    assert!(text.contains(&reported) && text.ends_with("| 40"), "{text}");
    let few = "echo no such flag; exit 2";
    let error = error_of(OutputExecutor::new(few, "ready").shell(true).start());
    assert!(!error.to_string().contains("MIRAKURU_KEEP"), "{error}");
}

#[test]
fn output_of_the_stop_does_not_displace_earlier_lines() {
    let script = "trap 'seq 1 40; exit 0' TERM; echo waits for a peer; sleep 60 & wait";
    let service = OutputExecutor::new(script, "no such line").shell(true);
    let error = error_of(service.timeout(SHORT).start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_eq!(error.output_tail(), "waits for a peer");
}

#[test]
fn wait_for_returns_the_next_line_that_matches() -> Result<()> {
    let service = three_lines().started()?;
    let output = service.output();
    assert_eq!(output.wait_for("^th")?, "three");
    assert_eq!(output.text(), "ready\none\ntwo\nthree\n");
    assert_eq!(output.tail(2), "two\nthree");
    assert_eq!(output.tail(0), "");
    Ok(())
}

#[test]
fn lines_begin_after_the_banner_and_wait_for_more() -> Result<()> {
    let service = three_lines().started()?;
    let lines: Vec<_> = service.output().lines().take(3).collect::<Result<_>>()?;
    assert_eq!(lines, ["one", "two", "three"]);
    Ok(())
}

#[test]
fn a_handle_moves_on_and_a_new_one_starts_over() -> Result<()> {
    let service = three_lines().started()?;
    let output = service.output();
    assert_eq!(output.wait_for("o")?, "one");
    assert_eq!(output.wait_for("o")?, "two", "the next that matches");
    assert_eq!(
        output.clone().wait_for("")?,
        "three",
        "a copy is the same handle"
    );
    assert_eq!(service.output().wait_for("")?, "one");
    Ok(())
}

#[test]
fn the_iterator_of_lines_fails_at_the_timeout() -> Result<()> {
    let service = three_lines().timeout(SHORT).started()?;
    let output = service.output();
    assert_eq!(output.wait_for("three")?, "three");
    let mut lines = output.lines();
    let error = at_once(|| lines.next())
        .expect("an item")
        .expect_err("no line comes");
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert!(lines.next().is_none(), "the error is the last item");
    assert!(
        service.running(),
        "a wait for a line does not stop the service"
    );
    Ok(())
}

#[test]
fn a_wait_for_a_line_times_out_with_a_full_error() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready")
        .timeout(SHORT)
        .started()?;
    let error = error_of(service.output().wait_for("four"));
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    assert_error_text(
        &error,
        &[
            "`programs prints ready` did not print the line in time",
            "  waited for:  a line that matches \"four\"",
            "  how long:    TIME",
            "  output, last lines:",
            "    | ready",
        ],
    );
    Ok(())
}

#[test]
fn lines_end_with_the_process() -> Result<()> {
    let command = [
        PROGRAM,
        "prints",
        "--delay",
        "200",
        "--then-exit",
        "3",
        "--no-newline",
        "one",
        "two",
    ];
    let service = SimpleExecutor::new(command).started()?;
    let lines: Vec<_> = at_once(|| service.output().lines().collect::<Result<_>>())?;
    assert_eq!(lines, ["one", "two"], "the last one without a newline too");
    Ok(())
}

#[test]
fn a_wait_for_a_line_fails_at_once_when_the_process_ends() -> Result<()> {
    let command = [
        PROGRAM,
        "prints",
        "--delay",
        "200",
        "--then-exit",
        "3",
        "bye",
    ];
    let service = SimpleExecutor::new(command).started()?;
    let error = at_once(|| error_of(service.output().wait_for("hello")));
    assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
    assert_error_text(
        &error,
        &[
            "`programs prints --delay 200 --then-exit 3 bye` ended without printing the line",
            "  waited for:  a line that matches \"hello\"",
            "  how long:    TIME",
            "  process:     exited with code 3",
            "  output, last lines:",
            "    | bye",
        ],
    );
    Ok(())
}

#[test]
fn an_invalid_pattern_is_reported() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints", "ready"], "ready").started()?;
    let error = error_of(service.output().wait_for("("));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    Ok(())
}

#[test]
fn from_now_skips_earlier_lines() -> Result<()> {
    let script =
        "echo ready; echo before; trap 'echo after' USR1; echo set; while :; do sleep 0.05; done";
    let service = OutputExecutor::new(script, "set").shell(true).started()?;
    let now = service.output().from_now();
    service.signal(mirakuru::Signal::USR1)?;
    assert_eq!(now.wait_for("")?, "after");
    assert!(now.text().starts_with("ready\n"), "the text is whole");
    Ok(())
}

#[test]
fn the_output_is_readable_after_the_stop() -> Result<()> {
    let service = three_lines().started()?;
    service.output().wait_for("three")?;
    let fresh = service.output();
    service.stop()?;
    assert_eq!(service.output().text(), "ready\none\ntwo\nthree\n");
    let lines: Vec<_> = at_once(|| fresh.lines().collect::<Result<_>>())?;
    assert_eq!(lines, ["one", "two", "three"]);
    drop(service);
    assert_eq!(
        fresh.tail(1),
        "three",
        "the output is readable after the drop"
    );
    Ok(())
}

#[test]
fn output_during_the_stop_is_captured() -> Result<()> {
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.stop()?.output().text(), "ready\nbye\n");
    Ok(())
}

#[test]
fn the_two_streams_are_captured_separately() -> Result<()> {
    let script = "echo out; echo err >&2; echo ready; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.output().text(), "out\nready\n");
    assert_eq!(service.err_output().wait_for("")?, "err");
    assert_eq!(service.err_output().text(), "err\n");
    Ok(())
}

#[test]
fn colours_are_in_the_text_but_not_in_the_lines() -> Result<()> {
    let service = OutputExecutor::new(
        [PROGRAM, "prints", r"\e[32mready\e[0m", r"\e[1mbold\e[0m"],
        "ready",
    );
    service.start()?;
    assert_eq!(service.output().wait_for("^bold$")?, "bold");
    assert_eq!(
        service.output().text(),
        "\x1b[32mready\x1b[0m\n\x1b[1mbold\x1b[0m\n"
    );
    Ok(())
}

#[test]
fn many_threads_wait_for_lines_at_once() -> Result<()> {
    let service = three_lines().started()?;
    thread::scope(|scope| {
        let wait = || service.output().wait_for("three");
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
        for waiting in threads {
            let line = waiting.join().expect("no panic").expect("it comes");
            assert_eq!(line, "three");
        }
    });
    Ok(())
}

#[test]
fn the_output_is_empty_before_the_first_start() {
    let executor = SimpleExecutor::new("sleep 60");
    assert_eq!(executor.output().text(), "");
    assert_eq!(executor.err_output().tail(3), "");
    assert_eq!(executor.output().lines().count(), 0);
}

#[test]
fn waiting_for_a_line_of_an_uncaptured_stream_fails() -> Result<()> {
    let service = SimpleExecutor::new([PROGRAM, "prints", "x"])
        .stdout(Stdio::null())
        .started()?;
    let error = at_once(|| error_of(service.output().wait_for("x")));
    assert!(
        error.command().ends_with("programs prints x"),
        "it names the command: {error}"
    );
    assert!(error.to_string().contains("not captured"), "{error}");
    Ok(())
}

/// Output passes through a pipe and a supervisor. A call directly after a print must return all of it.
#[test]
fn output_printed_before_a_call_is_returned() -> Result<()> {
    // Each pipe is opened once. If it were opened in each round, a concurrent fork by another thread could keep an end
    // open for a moment, and the service would answer before this thread opens the pipe again.
    let script = "mkfifo {tmpdir}/go {tmpdir}/done; echo ready; exec 3< {tmpdir}/go 4> {tmpdir}/done; \
        while read line <&3; do echo \"$line\"; echo >&4; done";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    let (go, done) = (service.tmpdir().join("go"), service.tmpdir().join("done"));
    let mut go = File::options().write(true).open(go).expect("it reads");
    let mut done = File::open(done).expect("it writes");
    for round in 0..100 {
        let from_before = service.output().from_now();
        go.write_all(format!("line {round}\n").as_bytes())
            .expect("it reads");
        done.read_exact(&mut [0]).expect("it writes");
        let line = format!("line {round}");
        match round % 3 {
            0 => assert!(service.output().text().ends_with(&format!("{line}\n"))),
            1 => assert_eq!(service.output().tail(1), line),
            // The next line after `from_now` is none of the earlier ones.
            _ => drop(service.output().from_now()),
        }
        assert_eq!(from_before.lines().next().expect("a line")?, line);
    }
    Ok(())
}
