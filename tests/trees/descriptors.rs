//! A service inherits no descriptor of the test process. Many starts and stops leak no descriptor, process, thread or
//! file.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use mirakuru::OutputExecutor;
use mirakuru_tests::hold::Hold;

use crate::{PROGRAM, TEST_PROCESS};

#[test]
fn a_service_has_its_three_standard_streams_and_nothing_else() {
    // A descriptor without close-on-exec, like those of careless libraries.
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let careless = nix::unistd::dup(&reader).expect("a descriptor");
    let service = OutputExecutor::new([PROGRAM, "shows_environment"], "done");
    service.start().expect("it starts");
    let text = service.output().text();
    drop(careless);
    assert!(text.lines().any(|line| line == "fds=0,1,2"), "{text}");
}

#[test]
fn a_service_with_redirected_streams_has_nothing_else() {
    let service = OutputExecutor::new([PROGRAM, "shows_environment"], "done")
        .stdin(File::open("/dev/zero").expect("the device exists"))
        .stderr(File::open("/dev/null").expect("the device exists"));
    service.start().expect("it starts");
    let text = service.output().text();
    assert!(text.lines().any(|line| line == "fds=0,1,2"), "{text}");
}

#[test]
fn many_starts_and_stops_leave_nothing_in_the_test_process() {
    let hold = Hold::new();
    let mut counting = Command::new(TEST_PROCESS)
        .arg("starts_and_stops")
        .arg("60")
        .env("TMPDIR", hold.scratch())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a helper program");
    let mut output = BufReader::new(counting.stdout.take().expect("piped"));
    let mut next = |label: &str| {
        let mut line = String::new();
        output.read_line(&mut line).expect("text");
        let value = line.trim_end().strip_prefix(label).map(str::to_owned);
        value.unwrap_or_else(|| panic!("wanted {label}, got {line:?}"))
    };

    let before = next("before: ");
    let inherited = next("inherited: ");
    let after = next("after: ");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert!(counting.wait().expect("a child").success());
    assert_eq!(rest, "");

    let (alone, with_a_service) = inherited.split_once("; ").expect("two lists");
    assert_eq!(alone, with_a_service, "another child inherits something");
    assert_eq!(before, after, "children, descriptors, threads, files");
    assert_eq!(hold.left_in_scratch(), [""; 0]);
}
