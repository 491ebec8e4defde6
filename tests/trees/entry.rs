//! The entry of a supervisor: a program serves as one only after a valid handshake. A program that merely inherited
//! the marker runs as usual.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{PermissionsExt, chown},
            net::UnixStream,
            process::CommandExt,
        },
    },
    process::{Command, Stdio},
};

use mirakuru::{OutputExecutor, SimpleExecutor};
use mirakuru_tests::{hold::Hold, processor::fields};

use crate::{
    PROGRAM, TEST_PROCESS,
    processes::{parent_of, unused_user},
    stubborn,
};

/// The variable that marks a supervisor, with a valid name as its value.
const MARKER: (&str, &str) = ("MIRAKURU_SUPERVISOR", "0123456789abcdef0123456789abcdef");
const HANDSHAKE: &[u8] = b"mirakuru/handsh1";

fn assert_runs_as_usual(stdin: Stdio) {
    assert_runs_as_usual_with(MARKER.1, stdin, None);
}

/// Asserts that a test process with the marker runs as usual. It exits at the end of its standard input; `other` keeps
/// that input open until the process is ready.
fn assert_runs_as_usual_with(name: &str, stdin: Stdio, other: Option<UnixStream>) {
    let hold = Hold::new();
    let mut child = Command::new(TEST_PROCESS)
        .arg("victim")
        .args(["local", "return"])
        .args(hold.command(&[PROGRAM, "holds"]))
        .env(MARKER.0, name)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a helper program");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = stdout.lines().map(|line| line.expect("text"));
    assert!(
        lines.any(|line| line == "ready"),
        "it took itself for a supervisor"
    );
    drop(other);
    let status = child.wait().expect("a child");
    assert!(status.success(), "{status:?}");
    assert!(hold.is_free(), "a process of the tree is left");
}

#[test]
fn a_program_with_the_marker_and_no_socket_runs_as_usual() {
    assert_runs_as_usual(Stdio::null());
}

#[test]
fn a_program_with_the_marker_and_a_silent_socket_runs_as_usual() {
    let (silent, theirs) = UnixStream::pair().expect("a pair");
    assert_runs_as_usual_with(MARKER.1, OwnedFd::from(theirs).into(), Some(silent));
}

#[test]
fn a_program_with_the_marker_and_a_closed_socket_runs_as_usual() {
    let (closed, theirs) = UnixStream::pair().expect("a pair");
    drop(closed);
    assert_runs_as_usual(OwnedFd::from(theirs).into());
}

#[test]
fn a_program_with_the_marker_and_an_http_client_runs_as_usual() {
    let (mut other, theirs) = UnixStream::pair().expect("a pair");
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
    drop(other);
    assert_runs_as_usual(OwnedFd::from(theirs).into());
}

#[test]
fn a_program_with_a_handshake_for_another_name_runs_as_usual() {
    let (mut other, theirs) = UnixStream::pair().expect("a pair");
    other.write_all(HANDSHAKE).expect("room");
    other.write_all(&[b'f'; 32]).expect("room");
    drop(other);
    assert_runs_as_usual(OwnedFd::from(theirs).into());
}

/// A supervisor names its files after a part of its own name.
#[test]
fn a_program_with_an_invalid_supervisor_name_runs_as_usual() {
    for name in [
        "",
        "short",
        "é23456789abcdef0123456789abcdef",
        "../../../../../../tmp/0123456789",
    ] {
        let (mut other, theirs) = UnixStream::pair().expect("a pair");
        other.write_all(HANDSHAKE).expect("room");
        other.write_all(name.as_bytes()).expect("room");
        assert_runs_as_usual_with(name, OwnedFd::from(theirs).into(), Some(other));
    }
}

/// A set-user-id program may not supervise. If it ran its tests instead, they would start it again.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to make a set-user-id program")]
fn a_set_user_id_supervisor_exits_without_running_its_program() {
    let hold = Hold::new();
    let program = hold.program_for_everyone(TEST_PROCESS);
    chown(&program, Some(unused_user()), None).expect("root may");
    let set_user_id = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(&program, set_user_id).expect("root may");
    let (mut other, theirs) = UnixStream::pair().expect("a pair");
    other.write_all(HANDSHAKE).expect("room");
    other.write_all(MARKER.1.as_bytes()).expect("room");
    // A supervisor would exit when its socket closes.
    drop(other);
    let output = Command::new(program)
        .args(["victim", "local", "return", "sleep", "1000"])
        .env(MARKER.0, MARKER.1)
        .stdin(OwnedFd::from(theirs))
        .output()
        .expect("a helper program");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // The program prints nothing to either stream.
    let printed = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&printed), "");
}

/// The launcher gives the program the rights of its owner, which the caller does not have.
#[test]
#[cfg_attr(not(root), ignore = "needs root, to make a set-user-id program")]
fn a_supervisor_from_a_set_user_id_launcher_refuses_its_caller() {
    let hold = Hold::new();
    let caller = hold.program_for_everyone(PROGRAM);
    let launcher = format!("{caller}-launcher");
    let mut install = Command::new("install");
    let installed = install.args(["-m", "4755", &caller, &launcher]).status();
    assert!(installed.expect("coreutils").success());
    let test_process = hold.program_for_everyone(TEST_PROCESS);
    let ended_with = |words: &[&str]| {
        let output = Command::new(&caller)
            .arg("calls_supervisor")
            .args(words)
            .args([&*test_process, "victim"])
            .env(MARKER.0, MARKER.1)
            .uid(unused_user())
            .current_dir("/")
            .output();
        let output = output.expect("a helper program").stdout;
        String::from_utf8(output).expect("text")
    };
    assert_eq!(ended_with(&[&launcher, "calls_supervisor"]), "Some(1)\n");
    // Without the launcher, the supervisor serves its caller.
    assert_eq!(ended_with(&[]), "Some(0)\n");
}

#[test]
fn a_supervisor_has_a_name_and_a_session_of_its_own() {
    let service = SimpleExecutor::new("sleep 1000")
        .started()
        .expect("it starts");
    let main = service.pid().expect("it runs");
    let supervisor = parent_of(main);
    let of =
        |file: &str| fs::read_to_string(format!("/proc/{supervisor}/{file}")).expect("it lives");
    assert_eq!(of("comm"), "mirakuru\n");
    assert_eq!(of("cmdline"), "mirakuru-supervisor\0");
    let session = |pid: u32| fields(&pid.to_string()).into_iter().nth(3);
    assert_eq!(session(supervisor), Some(supervisor.to_string()));
    assert_eq!(session(main), Some(main.to_string()));
    service.stop().expect("it ends as asked");
}

#[test]
fn a_test_process_as_a_service_is_gone_with_its_services() {
    let hold = Hold::new();
    let (service, _open) = test_process_as_a_service(&hold);
    service.start().expect("it starts");
    assert!(!hold.is_free(), "the inner tree is running");
    service.stop().expect("it ends as asked");
    assert!(hold.is_free(), "a process of the inner tree is left");
}

#[test]
fn a_test_process_as_a_service_leaves_no_private_directory() {
    let hold = Hold::new();
    let (service, _open) = test_process_as_a_service(&hold);
    service.start().expect("it starts");
    service.stop().expect("it ends as asked");
    assert_eq!(
        hold.left_in_scratch(),
        [""; 0],
        "the inner directory is left"
    );
}

/// Returns a test process as a service, and the socket that keeps its standard input open until it is stopped.
fn test_process_as_a_service(hold: &Hold) -> (OutputExecutor, UnixStream) {
    let words = [TEST_PROCESS, "victim", "static", "return"].map(str::to_owned);
    let words = [&words[..], &stubborn::service(hold.path())].concat();
    let (open, theirs) = UnixStream::pair().expect("a pair");
    let service = OutputExecutor::new(words, "ready")
        .stdin(OwnedFd::from(theirs))
        .env("TMPDIR", hold.scratch());
    (service, open)
}
