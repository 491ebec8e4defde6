//! Standard input: a pipe that stays open until the tree is gone, and that a test can write to.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use mirakuru::{ErrorKind, OutputExecutor, Result, Signal, SimpleExecutor, Stdio};
use mirakuru_tests::{
    bounds::{at_once, comes_to_an_end},
    error_text::error_of,
    hold::Hold,
};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::rerun::{alone, is_alone};

/// A shell script that prints each line that it reads, and the end of its input.
const READS: &str =
    "echo ready; while read -r line; do echo \"read $line\"; done; echo end; sleep 60";

fn reading() -> OutputExecutor {
    OutputExecutor::new(READS, "^ready$").shell(true)
}

#[test]
fn a_service_that_ends_with_its_input_keeps_running() -> Result<()> {
    let service = OutputExecutor::new("echo ready; exec cat", "ready").shell(true);
    service.start()?;
    // The program prints the line back, so it reads its input and has not met the end of it.
    writeln!(service.input(), "echoed").expect("it reads");
    assert_eq!(service.output().wait_for("echoed")?, "echoed");
    assert!(service.running());
    Ok(())
}

#[test]
fn input_arrives_until_the_test_closes_it() -> Result<()> {
    let service = reading().started()?;
    let output = service.output();
    for word in ["one", "two"] {
        let mut input = service.input();
        writeln!(input, "{word}").expect("it reads");
        // Dropping the writer does not close the input.
        drop(input);
        assert_eq!(output.wait_for("^read")?, format!("read {word}"));
    }
    let mut former = service.input();
    service.close_input()?;
    assert_eq!(output.wait_for("^end$")?, "end");
    let error = former.write_all(b"late\n").expect_err("it is closed");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let error = service.input().write(b"late\n").expect_err("it is closed");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    service.close_input()?.restart()?;
    writeln!(service.input(), "again").expect("the new process has an input");
    assert_eq!(service.output().wait_for("^read")?, "read again");
    Ok(())
}

#[test]
fn a_test_without_free_descriptors_keeps_its_service() -> Result<()> {
    if !is_alone() {
        alone(
            "input::a_test_without_free_descriptors_keeps_its_service",
            "",
            |_| {},
        );
        return Ok(());
    }
    let service = reading().started()?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let free = File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let lowest = rlim_t::try_from(free).expect("a number");
    setrlimit(Resource::RLIMIT_NOFILE, lowest, hard).expect("a lower limit");
    let refused = service.input().write(b"one\n");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit of before");
    refused.expect_err("the reply contains a descriptor");
    // The supervisor is not taken for lost.
    writeln!(service.input(), "two").expect("it reads");
    assert_eq!(service.output().wait_for("^read")?, "read two");
    service.stop()?;
    Ok(())
}

#[test]
fn a_write_fails_after_the_process_has_ended() -> Result<()> {
    // The child that the main process leaves has the pipe too.
    let script = "sleep 60 & read -r line; exit 0";
    let service = SimpleExecutor::new(script).shell(true).started()?;
    let mut input = service.input();
    writeln!(input, "end").expect("it reads");
    service.wait_for(|| service.exit_code().is_some())?;
    for mut input in [input, service.input()] {
        let error = input.write(b"x").expect_err("it has ended");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    service.stop()?.close_input()?;
    let error = SimpleExecutor::new("never started").input().write(b"x");
    assert_eq!(
        error.expect_err("there is no pipe").kind(),
        io::ErrorKind::BrokenPipe
    );
    Ok(())
}

#[test]
fn a_write_to_a_full_pipe_ends_at_the_timeout() -> Result<()> {
    let timeout = Duration::from_millis(700);
    let service = SimpleExecutor::new("sleep 60").started()?.timeout(timeout);
    let mut input = service.input();
    let begun = Instant::now();
    let written = at_once(|| input.write_all(&vec![b'x'; 1 << 20]));
    assert_eq!(
        written.expect_err("it reads nothing").kind(),
        io::ErrorKind::TimedOut
    );
    assert!(begun.elapsed() >= timeout);
    Ok(())
}

#[test]
fn a_write_to_a_full_pipe_fails_when_the_process_ends() -> Result<()> {
    let service = SimpleExecutor::new("sleep 60").started()?;
    let mut input = service.input();
    let writing = std::thread::spawn(move || input.write_all(&vec![b'x'; 1 << 20]));
    service.signal(Signal::KILL)?;
    let written = comes_to_an_end(move || writing.join().expect("no panic"));
    assert_eq!(
        written.expect_err("it ended").kind(),
        io::ErrorKind::BrokenPipe
    );
    Ok(())
}

#[test]
fn a_write_fails_if_the_process_has_closed_its_input() -> Result<()> {
    let script = "exec 0<&-; echo ready; exec sleep 60";
    let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    let written = at_once(|| service.input().write(b"x"));
    let error = written.expect_err("no process reads");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(service.running());
    Ok(())
}

#[test]
fn a_long_text_arrives_whole() -> Result<()> {
    let service = OutputExecutor::new("echo ready; wc -c; exec sleep 60", "ready").shell(true);
    let service = service.started()?;
    let mut input = service.input();
    input
        .write_all(&vec![b'x'; 3_000_000])
        .expect("it reads the whole text");
    service.close_input()?;
    assert_eq!(service.output().wait_for(r"\d")?, "3000000");
    Ok(())
}

/// A process that ends with its input must not end before the rest of the tree.
#[test]
fn the_input_is_open_until_the_tree_is_gone() -> Result<()> {
    let hold = Hold::new();
    let noted = format!("{}/noted", hold.scratch());
    let script = format!(
        "trap 'exit 0' TERM; exec 3<&0; echo ready; (trap '' TERM; cat <&3; echo end >{noted}) & \
         while :; do sleep 0.02; done"
    );
    let service = OutputExecutor::new(hold.script(&script), "ready").shell(true);
    let service = service.stop_timeout(Duration::from_millis(400));
    service.start()?.stop()?;
    assert!(!std::fs::exists(&noted).expect("own directory"));
    assert!(hold.is_free());
    Ok(())
}

#[test]
fn a_service_does_not_inherit_another_services_input() -> Result<()> {
    let first = reading().started()?;
    let second = reading().started()?;
    let _third = first.input();
    for service in [&first, &second] {
        let pid = service.pid().expect("it runs");
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("procfs");
        assert_eq!(open.count(), 3, "only its three streams");
    }
    first.close_input()?;
    assert_eq!(first.output().wait_for("^end$")?, "end");
    writeln!(second.input(), "hello").expect("it is open");
    assert_eq!(second.output().wait_for("^read")?, "read hello");
    Ok(())
}

#[test]
fn another_source_of_input_replaces_the_pipe() -> Result<()> {
    let service = reading().stdin(Stdio::null()).started()?;
    assert_eq!(service.output().wait_for("^end$")?, "end");
    let error = service.input().write(b"x").expect_err("there is no pipe");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    service.close_input()?;
    Ok(())
}

#[test]
fn a_program_that_prompts_gets_advice_on_its_input() {
    let advice = "try `stdin(Stdio::null())`, or `stdin = null` in the attribute";
    for script in [
        "read -r answer; echo ready",
        "printf 'Continue? [y/N] '; read -r answer; echo ready",
        "printf 'Password: ' >&2; exec sleep 60",
    ] {
        let overdue = |executor: OutputExecutor| {
            let executor = executor.shell(true).timeout(Duration::from_secs(2));
            let error = error_of(executor.start());
            assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
            error.to_string()
        };
        let reported = overdue(OutputExecutor::new(script, "ready"));
        assert!(reported.contains(advice), "{reported}");
        let other = OutputExecutor::new("echo up; exec sleep 60", "ready");
        let reported = overdue(other);
        assert!(!reported.contains(advice), "{reported}");
        let script = script.replace("read -r answer; echo ready", "exec sleep 60");
        let reported = overdue(OutputExecutor::new(script, "ready").stdin(Stdio::null()));
        assert!(!reported.contains(advice), "{reported}");
    }
}
