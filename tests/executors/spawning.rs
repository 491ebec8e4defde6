//! A program that cannot run fails the start at once, with advice on what to check.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use mirakuru::{
    AnyExecutor, Error, ErrorKind, Executor, HttpExecutor, OutputExecutor, PidExecutor, Resource,
    SimpleExecutor, TcpExecutor, UnixSocketExecutor, readiness::Context,
};
use mirakuru_tests::{
    bounds::at_once,
    error_text::{assert_error_text, error_of},
};
use tempfile::TempDir;

use crate::PROGRAM;

fn not_spawned(executor: &AnyExecutor) -> Error {
    let error = at_once(|| error_of(executor.start()));
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
    assert_eq!((executor.pid(), executor.exit_code()), (None, None));
    assert_eq!(
        (error.exit_code(), error.output_tail()),
        (None, String::new())
    );
    error
}

/// Writes a script in another process. If this process had the file open for writing, a service that starts at the same
/// time could inherit the descriptor, and the script could not run (`ETXTBSY`).
fn script(directory: &TempDir, first_line: &str, mode: &str) -> PathBuf {
    let path = directory.path().join("script");
    let make = "printf '%s\\n' \"$1\" >\"$2\" && chmod \"$3\" \"$2\"";
    let status = Command::new("sh")
        .args(["-c", make, "sh", first_line])
        .arg(&path)
        .arg(mode)
        .status();
    assert!(status.expect("sh runs").success());
    path
}

#[test]
fn every_executor_reports_a_missing_program() {
    let command = || ["/no/such/program", "--flag"];
    let executors = [
        SimpleExecutor::new(command()).boxed(),
        OutputExecutor::new(command(), "ready").boxed(),
        TcpExecutor::new(command(), "127.0.0.1", 0).boxed(),
        UnixSocketExecutor::new(command(), "{socket}").boxed(),
        HttpExecutor::new(command(), "http://127.0.0.1:{port}/").boxed(),
        PidExecutor::new(command(), "{pidfile}").boxed(),
        Executor::when(command(), |_: &Context| true).boxed(),
    ];
    for executor in &executors {
        assert_error_text(
            &not_spawned(executor),
            &[
                "`/no/such/program --flag` could not be started",
                "  reason:      failed to run the program: No such file or directory (os error 2)",
                "  help:        /no/such/program does not exist; a relative path starts from the working directory",
            ],
        );
    }
}

#[test]
fn a_program_that_is_not_in_path_is_reported() {
    assert_error_text(
        &not_spawned(&SimpleExecutor::new("no-such-program-anywhere").boxed()),
        &[
            "`no-such-program-anywhere` could not be started",
            "  reason:      failed to run the program: No such file or directory (os error 2)",
            "  help:        is no-such-program-anywhere installed, and is its directory in PATH?",
        ],
    );
}

#[test]
fn shell_syntax_without_a_shell_is_reported() {
    let advice = "use `shell(true)`, or `shell = true` in the attribute";
    for command in ["cd / && sleep 60", "exits 1 > /dev/null"] {
        let command = command.replace("exits", &format!("{PROGRAM} exits"));
        let error = error_of(OutputExecutor::new(&command, "ready").start()).to_string();
        assert!(error.contains(advice), "{error}");
    }
    let error = error_of(OutputExecutor::new([PROGRAM, "exits", "1"], "ready").start()).to_string();
    assert!(!error.contains(advice), "{error}");
}

#[test]
fn a_file_that_is_not_executable_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(&directory, "#!/bin/sh", "644");
    let name = path.display();
    assert_error_text(
        &not_spawned(&SimpleExecutor::new(path.as_path()).boxed()),
        &[
            &format!("`{name}` could not be started"),
            "  reason:      failed to run the program: Permission denied (os error 13)",
            &format!("  help:        is {name} executable for this user?"),
        ],
    );
}

#[test]
fn a_missing_interpreter_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(&directory, "#!/no/such/interpreter", "755");
    let name = path.display();
    assert_error_text(
        &not_spawned(&OutputExecutor::new(path.as_path(), "ready").boxed()),
        &[
            &format!("`{name}` could not be started"),
            "  reason:      failed to run the program: No such file or directory (os error 2)",
            &format!(
                "  help:        {name} exists, but the interpreter in its first line does not: /no/such/interpreter"
            ),
        ],
    );
}

#[test]
fn a_missing_working_directory_is_reported() {
    assert_error_text(
        &not_spawned(
            &SimpleExecutor::new([PROGRAM, "prints", "up"])
                .cwd("/no/such/directory")
                .boxed(),
        ),
        &[
            "`programs prints up` could not be started",
            "  reason:      failed to enter the working directory /no/such/directory: No such file or directory (os error 2)",
            "  help:        the directory must exist, and the service's user must have access to it",
        ],
    );
}

#[test]
fn a_contradictory_resource_limit_is_reported() {
    let executor =
        SimpleExecutor::new([PROGRAM, "prints", "up"]).rlimit(Resource::OpenFiles, 64, 32);
    assert_error_text(
        &not_spawned(&executor.boxed()),
        &[
            "`programs prints up` could not be started",
            "  reason:      failed to set a resource limit: Invalid argument (os error 22)",
        ],
    );
}

#[test]
fn a_start_succeeds_after_its_cause_of_failure_is_fixed() -> mirakuru::Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let cwd = directory.path().join("later");
    let executor = OutputExecutor::new("pwd; exec sleep 60", "later$")
        .shell(true)
        .cwd(&cwd);
    assert_eq!(error_of(executor.start()).kind(), ErrorKind::Spawn);
    std::fs::create_dir(&cwd).expect("own directory");
    assert!(executor.start()?.running());
    Ok(())
}

#[test]
fn a_relative_program_starts_from_the_working_directory() -> mirakuru::Result<()> {
    let directory = Path::new(PROGRAM).parent().expect("a directory");
    let service = OutputExecutor::new(["./programs", "prints", "here"], "here").cwd(directory);
    assert!(service.start()?.running());
    Ok(())
}

/// When another thread forks, the child holds the file that this thread has just written open for a moment. In this
/// test, a process with the program's file as its standard output does so.
#[test]
fn a_program_that_is_still_being_written_is_waited_for() -> mirakuru::Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let program = directory.path().join("program");
    std::fs::copy(PROGRAM, &program).expect("own directory");
    let written_to = || std::fs::File::options().append(true).open(&program);
    let mut writer = Command::new("sleep")
        .arg("0.1")
        .stdout(written_to().expect("own file"))
        .spawn()
        .expect("a program");
    let service = OutputExecutor::new(
        [program.as_os_str(), "prints".as_ref(), "up".as_ref()],
        "up",
    );
    let started = service.start().map(drop);
    writer.wait().expect("a child");
    started?;
    service.stop()?;

    let _writer = written_to().expect("own file");
    let name = program.display();
    assert_error_text(
        &not_spawned(&SimpleExecutor::new(program.as_path()).boxed()),
        &[
            &format!("`{name}` could not be started"),
            "  reason:      failed to run the program: Text file busy (os error 26)",
            &format!("  help:        {name} is still open for writing: close it before the start"),
        ],
    );
    Ok(())
}

#[test]
fn shell_expansions_without_a_shell_are_reported() {
    let help = |command: &str| {
        let error = not_spawned(&SimpleExecutor::new(command).boxed());
        let reported = error.to_string();
        let help = reported.lines().last().map(str::to_owned);
        help.expect("a line")
    };
    assert_eq!(
        help("A_1=b/c no-such-program"),
        "  help:        set a variable with `env`, or run a shell (`shell(true)`, or `shell = true` in the attribute)"
    );
    let no_shell = |word: &str| {
        format!(
            "  help:        no shell runs it, so `{word}` is a word like any other: use `shell(true)`, or `shell = true` in the attribute"
        )
    };
    assert_eq!(help("no-such-program $HOME/x"), no_shell("$HOME/x"));
    assert_eq!(help("no-such-program ~/x"), no_shell("~/x"));
    let error = error_of(OutputExecutor::new("sh -c '${NO_SUCH:-false}'", "ready").start());
    assert!(!error.to_string().contains("no shell runs it"), "{error}");
}

/// Returns the advice in the error of this executor, whose program cannot run.
fn advice(executor: SimpleExecutor) -> String {
    let text = not_spawned(&executor.boxed()).to_string();
    let (_, advice) = text.split_once("help:        ").expect("an advice");
    advice.to_owned()
}

#[test]
fn a_program_is_searched_in_the_path_of_the_service() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = script(&directory, "#!/no/such/interpreter -x", "755");
    let path = made.with_file_name("serves-it");
    std::fs::rename(made, &path).expect("own directory");
    let own = directory.path();
    let interpreter = format!(
        "{} exists, but the interpreter in its first line does not: /no/such/interpreter",
        path.display()
    );
    let by_path = SimpleExecutor::new("serves-it").env("PATH", own);
    assert_eq!(advice(by_path), interpreter);
    let from_its_directory = || SimpleExecutor::new("serves-it").cwd(own);
    assert_eq!(
        advice(from_its_directory().env("PATH", ":/bin")),
        interpreter
    );
    let relative = SimpleExecutor::new("./serves-it --flag").cwd(own);
    let reported = advice(relative);
    assert!(
        reported.ends_with(
            "/./serves-it exists, but the interpreter in its first line does not: /no/such/interpreter"
        ),
        "{reported}"
    );
    // The name alone does not mean the program in the working directory.
    assert_eq!(
        advice(from_its_directory()),
        "no directory of the service's PATH has serves-it: write ./serves-it for the one in its working directory"
    );
    let elsewhere = SimpleExecutor::new("serves-it").env("PATH", "/no/such");
    assert_eq!(
        advice(elsewhere),
        "is serves-it installed, and is its directory in PATH? The service's PATH is \"/no/such\"."
    );
}

#[test]
fn a_directory_is_not_taken_for_the_program() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("server")).expect("own directory");
    let reported = advice(SimpleExecutor::new("server").cwd(directory.path()));
    assert_eq!(
        reported,
        "is server installed, and is its directory in PATH?"
    );
    let reported = advice(SimpleExecutor::new("./server").cwd(directory.path()));
    assert!(reported.ends_with("/./server is a directory"), "{reported}");
}

#[test]
fn an_interpreter_with_a_carriage_return_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(&directory, "#!/bin/sh\r", "755");
    let reported = advice(SimpleExecutor::new(path.as_path()));
    assert!(
        reported.contains("ends with a carriage return"),
        "{reported}"
    );
}

#[test]
fn an_interpreter_that_is_not_executable_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(&directory, "#! /etc/passwd", "755");
    let reported = advice(SimpleExecutor::new(path.as_path()));
    assert!(
        reported.contains("is its interpreter /etc/passwd executable"),
        "{reported}"
    );
}

#[test]
fn a_command_is_reported_as_it_was_written() {
    let written = "no-such-program 'a  b' && true #x";
    let error = not_spawned(&SimpleExecutor::new(written).boxed());
    assert!(
        error.to_string().starts_with(&format!("`{written}` could")),
        "{error}"
    );
    let error = error_of(
        SimpleExecutor::new("exit 3 {port} #x")
            .shell(true)
            .started()
            .and_then(|shell| shell.wait_for(|| false).map(drop)),
    );
    let text = error.to_string();
    assert!(
        text.starts_with("`exit 3 ") && text.contains(" #x` "),
        "{text}"
    );
}
