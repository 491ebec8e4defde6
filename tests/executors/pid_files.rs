//! The pid file of a service is removed with its tree. The file of another service stays.

use std::{env, fs, os::unix::process::ExitStatusExt, process::Stdio, thread};

use mirakuru::{ErrorKind, PidExecutor, Result};
use mirakuru_tests::{bounds::comes_to_an_end, error_text::error_of};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    PROGRAM,
    rerun::{alone, command_for, is_alone},
};

/// The executor removes the file that the service wrote. It leaves a file of the same name in the directory that
/// the test is in at the end.
#[test]
fn a_relative_pid_file_is_removed_where_it_was_written() -> Result<()> {
    if !is_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("other")).expect("own directory");
        let own = directory.path().join("other/app.pid");
        fs::write(&own, "precious").expect("own directory");
        alone(
            "pid_files::a_relative_pid_file_is_removed_where_it_was_written",
            "",
            |command| _ = command.current_dir(&directory),
        );
        assert!(!directory.path().join("app.pid").exists());
        assert_eq!(fs::read_to_string(own).expect("it exists"), "precious");
        return Ok(());
    }
    let service = PidExecutor::new([PROGRAM, "writes_pid", "app.pid"], "app.pid").started()?;
    env::set_current_dir("other").expect("own directory");
    service.kill()?;
    Ok(())
}

#[test]
fn a_failed_start_keeps_the_pid_file_of_another_service() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app.pid");
    let missing = PidExecutor::new("/no/such/program", &path);
    assert_eq!(error_of(missing.start()).kind(), ErrorKind::Spawn);
    let service = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], &path).started()?;
    drop(missing);
    assert!(path.exists());
    service.stop()?;
    assert!(!path.exists());
    Ok(())
}

/// The supervisor removes the file, as no other process is left to do it.
#[test]
fn a_pid_file_is_removed_if_the_test_is_killed() {
    if is_alone() {
        let path = env::var_os("PID_FILE").expect("the test sets it");
        let service = PidExecutor::new([PROGRAM, "writes_pid", "{pidfile}"], path).started();
        let _service = service.expect("it starts");
        kill(Pid::this(), Signal::SIGKILL).expect("a signal to this process");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app.pid");
    let ended = command_for("pid_files::a_pid_file_is_removed_if_the_test_is_killed")
        .env("PID_FILE", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("this binary runs");
    assert_eq!(ended.signal(), Some(Signal::SIGKILL as i32));
    comes_to_an_end(move || {
        while path.exists() {
            thread::yield_now();
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervisor_watches_no_directory_after_the_start() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app.pid");
    let command = [PROGRAM, "writes_pid", &path.display().to_string()];
    let service = PidExecutor::new(command, &path).started()?;
    let pid = service.pid().expect("it runs");
    let supervisor = mirakuru_tests::processor::parent_of(pid);
    // The supervisor has answered all earlier requests before it shows the output.
    assert_eq!(service.output().text(), "");
    let open = fs::read_dir(format!("/proc/{supervisor}/fd")).expect("it lives");
    let mut open = open.flatten().flat_map(|entry| fs::read_link(entry.path()));
    assert!(open.all(|open| open != directory.path()));
    Ok(())
}
