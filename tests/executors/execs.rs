//! Commands as checks: what they see, and what ends them.

use std::{fs, io::Write, os::unix::fs::MetadataExt, process::Command, thread, time::Duration};

use mirakuru::{
    ErrorKind, Executor, OutputExecutor, Result, SimpleExecutor, TcpExecutor,
    readiness::{Exec, Output, Readiness},
};
use mirakuru_tests::{bounds::at_once, error_text::error_of, hold::Hold};

use crate::PROGRAM;

/// A timeout far longer than the bounds of these tests.
const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_service_is_ready_when_the_command_succeeds() -> Result<()> {
    let script = "sleep 0.2; touch {tmpdir}/up; exec sleep 60";
    let service = SimpleExecutor::new(["sh", "-c", script]).also(Exec::new("test -e {tmpdir}/up"));
    let service = service.started()?;
    assert!(service.tmpdir().join("up").exists());
    Ok(())
}

#[test]
fn the_command_sees_what_the_service_sees() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = "test \"$A\" = {port} && test \"$(pwd -P)\" = \"$B\" && read line; test $? = 1";
    let path = directory.path().canonicalize().expect("it exists");
    let service = TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0)
        .env("A", "{port}")
        .env("B", &path)
        .cwd(&path)
        .also(Exec::new(["sh", "-c", script]));
    service.started().map(drop)
}

#[test]
fn a_std_command_keeps_its_environment() -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "test $A$B = 1 && test $(pwd -P) = /"]);
    command.env("A", "1").env_remove("B").current_dir("/");
    let service = SimpleExecutor::new("sleep 60")
        .env("B", "2")
        .also(Exec::new(command));
    service.started().map(drop)
}

#[test]
fn a_command_has_the_mark_of_the_tree_in_any_environment() -> Result<()> {
    let marked = |shape: fn(&mut Command)| {
        let mut command = Command::new("sh");
        command.args(["-c", "test \"$(cat {tmpdir}/mark)\" = \"$MIRAKURU_UUID\""]);
        shape(&mut command);
        Exec::new(command)
    };
    let script = "printf %s \"$MIRAKURU_UUID\" >{tmpdir}/mark; exec sleep 60";
    let service = SimpleExecutor::new(["sh", "-c", script])
        .also(marked(|command| _ = command.env("MIRAKURU_UUID", "x")))
        .also(marked(|command| _ = command.env_remove("MIRAKURU_UUID")));
    service.started().map(drop)
}

#[test]
fn the_last_line_of_the_commands_output_is_the_last_check() {
    let script = "echo no >&2; echo response; exit 2";
    let service = OutputExecutor::new([PROGRAM, "prints", "listening"], "listening")
        .timeout(Duration::from_secs(2))
        .also(Exec::new(["sh", "-c", script]));
    let error = error_of(service.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    assert!(
        text.contains("the command exited with code 2: response"),
        "{text}"
    );
    assert_eq!(error.output_tail(), "listening");
}

#[test]
fn the_signal_that_ended_the_command_is_the_last_check() {
    let check = Exec::new(["sh", "-c", "kill -KILL $$"]);
    let service = SimpleExecutor::new("sleep 60").also(check);
    let text = error_of(service.timeout(Duration::from_secs(2)).start()).to_string();
    let last = "last check:  the command was killed by SIGKILL (signal 9)\n";
    assert!(text.contains(last), "{text}");
}

#[test]
fn a_command_that_hangs_is_killed_at_its_limit() {
    let hold = Hold::new();
    let command = hold.command(&[PROGRAM, "holds", "2"]);
    let check = Exec::new(command).limit(Duration::from_millis(200));
    let service = SimpleExecutor::new("sleep 60")
        .timeout(Duration::from_secs(2))
        .also(check);
    let text = error_of(service.start()).to_string();
    assert!(
        text.contains("the command did not end within 0.2 s"),
        "{text}"
    );
    assert!(!hold.is_held(), "a process of the command is left");
}

#[test]
fn a_failed_service_ends_the_command() {
    let hold = Hold::new();
    let service = SimpleExecutor::new("sh -c 'read line; exit 3'").timeout(LONG);
    // The command hangs, and so do its children.
    let service = service.also(Exec::new(hold.command(&[PROGRAM, "holds", "2"])).limit(LONG));
    thread::scope(|scope| {
        let start = scope.spawn(|| error_of(service.start()));
        while !hold.is_held() {
            thread::yield_now();
        }
        writeln!(service.input(), "go").expect("the service reads");
        let error = at_once(|| start.join().expect("no panic"));
        assert_eq!(error.kind(), ErrorKind::ProcessExitedWithError);
        assert_eq!(error.exit_code(), Some(3));
    });
    assert!(hold.is_free());
}

#[test]
fn a_command_goes_on_after_the_service_has_exited_with_0() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wait = "until test -e $0/DEED; do sleep 0.02; done";
    let exits = wait.replace("DEED", "begun") + "; sleep 60 & exit 0";
    let checks = format!("echo begun >> $0/begun; {}", wait.replace("DEED", "end"));
    let words = |script: &str| {
        let path = directory.path().display();
        ["sh", "-c", script, &path.to_string()].map(str::to_owned)
    };
    let check = Exec::new(words(&checks)).limit(LONG);
    let service = Executor::with_readiness(words(&exits), check).timeout(LONG);
    thread::scope(|scope| {
        let start = scope.spawn(|| service.start());
        while service.exit_code() != Some(0) {
            thread::yield_now();
        }
        // The supervisor replies twice, and looks at its commands in between.
        for _ in 0..2 {
            drop(service.output());
        }
        fs::write(directory.path().join("end"), "").expect("own directory");
        start
            .join()
            .expect("no panic")
            .expect("the command succeeds");
    });
    let begun = fs::read_to_string(directory.path().join("begun")).expect("it ran");
    assert_eq!(begun, "begun\n");
}

#[test]
fn processes_left_by_the_command_end_with_the_tree() -> Result<()> {
    let hold = Hold::new();
    let script = hold.script(&format!("setsid '{PROGRAM}' holds 1 & exit 0"));
    let service = SimpleExecutor::new("sleep 60").also(Exec::new(["sh", "-c", &script]));
    service.start()?;
    assert!(hold.is_held());
    at_once(|| service.stop())?;
    assert!(hold.is_free());
    Ok(())
}

#[test]
#[cfg_attr(not(root), ignore = "needs root, to start a service as another user")]
fn the_command_runs_as_the_user_of_the_service() -> Result<()> {
    let shows = "id -u; id -G; pwd -P; echo $A {port:a}";
    let service = OutputExecutor::new(format!("{shows}; exec sleep 60"), " \\d+$")
        .shell(true)
        .user("nobody")
        .cwd("{tmpdir}")
        .env("A", "a value");
    let check = Exec::new(["sh", "-c", &format!("({shows}) > {{tmpdir}}/seen")]);
    let service = service.also(check).started()?;
    let seen = fs::read_to_string(service.tmpdir().join("seen")).expect("it ran");
    assert_eq!(seen, service.output().text());
    assert!(!seen.starts_with("0\n"), "{seen}");
    let owner = fs::metadata(service.tmpdir().join("seen")).expect("it exists");
    assert_ne!(owner.uid(), 0);
    Ok(())
}

#[test]
fn a_missing_program_is_named() {
    let service = SimpleExecutor::new("sleep 60")
        .timeout(Duration::from_secs(2))
        .also(Exec::new("no-such-program {port}"));
    let text = error_of(service.start()).to_string();
    assert!(text.contains("No such file or directory"), "{text}");
    assert!(text.contains("then `no-such-program "), "{text}");
}

#[test]
fn invalid_commands_are_reported_before_the_start() {
    for command in ["", "true 'open", "true {nothing}"] {
        let service = SimpleExecutor::new("sleep 60").also(Exec::new(command));
        assert_eq!(
            error_of(service.start()).kind(),
            ErrorKind::InvalidConfig,
            "{command}"
        );
    }
}

#[test]
fn checks_that_follow_run_in_order() -> Result<()> {
    let check = Output::new("ready").then(Exec::new("true"));
    let words = [PROGRAM, "prints", "ready"];
    drop(Executor::with_readiness(words, check).started()?);
    let service = OutputExecutor::new(words, "ready")
        .also(Exec::new("mkdir {tmpdir}/first"))
        .also(Exec::new("mkdir {tmpdir}/first/second"))
        .stream(mirakuru::readiness::Stream::Stdout);
    assert!(service.started()?.tmpdir().join("first/second").is_dir());
    Ok(())
}

#[test]
fn a_command_sees_the_port_that_the_service_reported() -> Result<()> {
    let banner = r"listening on (?<port>\d+)";
    let check = Exec::new(["sh", "-c", "test -n \"$0\" && echo {port} > {tmpdir}/port"]);
    let service = OutputExecutor::new([PROGRAM, "http_service", "0"], banner).also(check);
    let service = service.started()?;
    let seen = fs::read_to_string(service.tmpdir().join("port")).expect("it ran");
    assert_eq!(seen.trim(), service.port().to_string());
    Ok(())
}
