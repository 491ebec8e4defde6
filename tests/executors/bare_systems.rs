//! On a system that lacks what a start needs, the error names the missing part at once.
#![cfg(target_os = "linux")]

use std::process::Command;

use mirakuru::{Error, ErrorKind, HttpExecutor, SimpleExecutor, TcpExecutor};
use mirakuru_tests::{bounds::at_once, error_text::error_of};

use crate::rerun::{command_for, is_alone};

/// Runs the test again in namespaces of its own, which this script prepares.
fn apart(test: &str, namespace: &str, prepare: &str) {
    let command = command_for(&format!("bare_systems::{test}"));
    let mut unshare = Command::new("unshare");
    unshare.args([
        namespace,
        "sh",
        "-c",
        &format!("{prepare} exec \"$@\""),
        "sh",
    ]);
    unshare.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        unshare.env(name, value.expect("it is set"));
    }
    let output = unshare.output().expect("util-linux");
    let reported = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&reported)
    );
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs namespaces of its own")]
fn a_missing_procfs_is_named() {
    if !is_alone() {
        let test = "a_missing_procfs_is_named";
        return apart(test, "--mount", "mount -t tmpfs none /proc &&");
    }
    let error = error_of(SimpleExecutor::new("sleep 60").start());
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("is /proc mounted?"), "{error}");
}

fn names_the_interface(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error.to_string().contains("interface lo is down"),
        "{error}"
    );
}

#[test]
#[cfg_attr(not(namespaces), ignore = "needs namespaces of its own")]
fn a_missing_loopback_interface_is_named_at_once() {
    if !is_alone() {
        let test = "a_missing_loopback_interface_is_named_at_once";
        return apart(test, "--net", "");
    }
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "::1"] {
        let executor = TcpExecutor::new("sleep 60", host, 0);
        names_the_interface(&at_once(|| error_of(executor.start())));
    }
    let executor = HttpExecutor::new("sleep 60", "http://localhost:{port}/");
    names_the_interface(&at_once(|| error_of(executor.start())));
    let needs_none = SimpleExecutor::new("sleep 60").started();
    drop(needs_none.expect("it starts"));
}
