//! The environment of a service: directory, shell and variables.

use std::{env, path::Path};

use mirakuru::{ErrorKind, OutputExecutor, Result, SimpleExecutor};
use mirakuru_tests::error_text::error_of;

use crate::PROGRAM;

/// Returns a service that prints these variables, and what else it inherited.
fn printing(names: &[&str]) -> OutputExecutor {
    let command = [&[PROGRAM, "shows_environment"], names].concat();
    OutputExecutor::new(command, "^done$")
}

#[track_caller]
fn assert_shown(service: &OutputExecutor, expected: &[&str]) -> Result<()> {
    let text = service.start()?.output().text();
    for line in expected {
        assert!(
            text.lines().any(|shown| shown == *line),
            "no line {line:?} in\n{text}"
        );
    }
    service.stop()?;
    Ok(())
}

#[test]
fn the_directory_is_that_of_the_test_by_default() -> Result<()> {
    let here = env::current_dir().expect("the directory of the package");
    assert_shown(&printing(&[]), &[&format!("cwd={}", here.display())])
}

#[test]
fn the_directory_can_be_set() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let there = directory.path().canonicalize().expect("it exists");
    assert_shown(
        &printing(&[]).cwd(directory.path()),
        &[&format!("cwd={}", there.display())],
    )
}

#[test]
fn a_relative_directory_starts_from_that_of_the_test() -> Result<()> {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    assert_shown(
        &printing(&[]).cwd("programs"),
        &[&format!("cwd={}", there.display())],
    )
}

#[test]
fn variables_are_those_of_the_test_by_default() -> Result<()> {
    let path = env::var("PATH").expect("it is always set");
    let expected = [&*format!("PATH={path}"), "NEVER_SET is not set"];
    assert_shown(&printing(&["PATH", "NEVER_SET"]), &expected)
}

#[test]
fn variables_are_set_and_removed() -> Result<()> {
    let service = printing(&["ONE", "TWO", "THREE", "HOME", "EMPTY"])
        .env("ONE", "first")
        .env("ONE", "a b=c")
        .envs([("TWO", "2"), ("THREE", "3")])
        .env("EMPTY", "")
        .env_remove("THREE")
        .env_remove("HOME");
    let expected = [
        "ONE=a b=c",
        "TWO=2",
        "THREE is not set",
        "HOME is not set",
        "EMPTY=",
    ];
    assert_shown(&service, &expected)
}

#[test]
fn a_clear_leaves_later_variables_and_the_mark_of_the_tree() -> Result<()> {
    let service = printing(&["BEFORE", "AFTER", "PATH"])
        .env("BEFORE", "x")
        .env_clear()
        .env("AFTER", "y");
    assert_shown(
        &service,
        &["BEFORE is not set", "AFTER=y", "PATH is not set"],
    )?;
    let service = printing(&["MIRAKURU_UUID"]).env_clear().started()?;
    let text = service.output().text();
    assert!(text.starts_with("MIRAKURU_UUID="), "{text}");
    Ok(())
}

#[test]
fn a_mark_that_the_user_sets_is_replaced() -> Result<()> {
    let service = printing(&["MIRAKURU_UUID"]).env("MIRAKURU_UUID", "made up");
    let text = service.start()?.output().text();
    let mark = text.lines().next().expect("a line");
    let value = mark.strip_prefix("MIRAKURU_UUID=").expect("it is set");
    assert_ne!(value, "made up");
    Ok(())
}

#[test]
fn a_removed_variable_can_be_set_again() -> Result<()> {
    let service = printing(&["NAME"]).env_remove("NAME").env("NAME", "back");
    assert_shown(&service, &["NAME=back"])
}

#[test]
fn nothing_is_expanded_without_a_shell() -> Result<()> {
    let command = format!("{PROGRAM} shows_environment $HOME '*' \"a  b\" c\\ d ; e");
    let service = OutputExecutor::new(command, "^done$");
    assert_shown(
        &service,
        &[r#"args=["$HOME", "*", "a  b", "c d", ";", "e"]"#],
    )
}

#[test]
fn a_shell_expands_and_pipes() -> Result<()> {
    let command = format!("printf 'b\\na\\n' | sort; exec '{PROGRAM}' shows_environment \"$NAME\"");
    let service = OutputExecutor::new(command, "^done$")
        .shell(true)
        .env("NAME", "value");
    assert_shown(&service, &["a", "b", r#"args=["value"]"#])
}

#[test]
fn words_given_to_a_shell_stay_words() -> Result<()> {
    let service = OutputExecutor::new(
        [PROGRAM, "shows_environment", "$HOME", "a  b", "it's"],
        "^done$",
    );
    assert_shown(&service.shell(true), &[r#"args=["$HOME", "a  b", "it's"]"#])
}

#[test]
#[cfg(target_os = "linux")]
fn no_signal_is_blocked_or_ignored() -> Result<()> {
    /// Ignored signals that are not inherited from the test. The Rust runtime of the program that prints the mask
    /// ignores SIGPIPE. The C library's `posix_spawn` ignores the library's own signals (32 and 33) in every process
    /// that it starts.
    const NOT_OURS: u64 = 0x1000 | 0x1_8000_0000;
    let service = printing(&[]).started()?;
    let text = service.output().text();
    let mask = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(value.expect("it is shown"), 16).expect("a mask")
    };
    assert_eq!(mask("SigBlk="), 0);
    assert_eq!(mask("SigIgn=") & !NOT_OURS, 0, "{text}");
    Ok(())
}

/// A message to a supervisor is at most 64 MiB long.
#[test]
fn an_environment_longer_than_a_message_is_reported() {
    let service = SimpleExecutor::new("sleep 60").env("LONG", "x".repeat(64 << 20));
    let error = error_of(service.start());
    assert_eq!(error.kind(), ErrorKind::Spawn);
    let why = "failed to run the program: Argument list too long";
    assert!(error.to_string().contains(why), "{error}");
}
