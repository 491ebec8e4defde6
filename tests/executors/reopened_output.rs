//! Services that do more with their output than write to it.

use mirakuru::{OutputExecutor, Result, Stream};

use crate::PROGRAM;

#[test]
fn output_opened_again_by_name_is_captured() -> Result<()> {
    // The service truncates the file that it opens, and closes its standard output.
    let service = OutputExecutor::new([PROGRAM, "reopens_output"], "through stdout").started()?;
    assert_eq!(service.output().text(), "through stdout\n");
    assert_eq!(service.err_output().wait_for("")?, "through stderr");
    assert!(service.running());
    Ok(())
}

#[test]
fn a_banner_on_reopened_standard_error_is_seen() -> Result<()> {
    let script = "echo ready >/dev/stderr; exec sleep 60";
    let service = OutputExecutor::new(script, "ready")
        .shell(true)
        .stream(Stream::Stderr);
    assert_eq!(service.start()?.err_output().text(), "ready\n");
    Ok(())
}

#[test]
fn truncation_loses_nothing() -> Result<()> {
    let script =
        "echo one; : >/dev/stdout; echo two; : >/proc/self/fd/1; echo ready; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.output().text(), "one\ntwo\nready\n");
    Ok(())
}

#[test]
fn one_stream_can_be_redirected_into_the_other() -> Result<()> {
    let script = "exec 2>&1; echo err >&2; echo ready; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.output().text(), "err\nready\n");
    assert_eq!(service.err_output().text(), "");
    Ok(())
}

#[test]
fn a_closed_stream_does_not_end_the_lines_of_the_other() -> Result<()> {
    let script = "echo ready; exec 2>&-; sleep 0.1; echo later; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.output().wait_for("later")?, "later");
    Ok(())
}

#[test]
fn children_write_to_the_same_output() -> Result<()> {
    let script = "(sleep 0.1; echo from a child) & echo ready; wait; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    assert_eq!(service.output().wait_for("child")?, "from a child");
    Ok(())
}

#[test]
fn output_of_a_daemon_is_kept_after_the_stop() -> Result<()> {
    let script = "(echo from a daemon; exec sleep 60) & exit 0";
    let service = OutputExecutor::new(script, "daemon")
        .shell(true)
        .started()?;
    assert_eq!(service.stop()?.output().text(), "from a daemon\n");
    Ok(())
}

#[test]
fn input_and_output_are_not_a_terminal() -> Result<()> {
    let script = "[ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo none; exec sleep 60";
    OutputExecutor::new(script, "none").shell(true).start()?;
    Ok(())
}
