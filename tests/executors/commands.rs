//! Commands: appended words, commands built from a `std::process::Command`, and the human-readable text.

use std::process::Command;

use mirakuru::{OutputExecutor, Result, SimpleExecutor};

use crate::PROGRAM;

#[test]
fn appended_words_follow_those_of_the_command() -> Result<()> {
    let service = OutputExecutor::new([PROGRAM, "prints"], "^last one$")
        .arg("{host}")
        .args(["two words", "last one"])
        .started()?;
    assert_eq!(service.output().text(), "127.0.0.1\ntwo words\nlast one\n");
    Ok(())
}

#[test]
fn a_comment_adds_no_word_to_a_command() -> Result<()> {
    let command = format!("{PROGRAM} prints '#' a#b # c 'd\nlast");
    let service = OutputExecutor::new(command, "^last$").started()?;
    assert_eq!(service.output().text(), "#\na#b\nlast\n");
    Ok(())
}

#[test]
fn appended_words_are_quoted_for_a_shell() -> Result<()> {
    let service = OutputExecutor::new("printf '%s\\n' $GREETING", "'s")
        .env("GREETING", "hello")
        .arg("it's; here")
        .shell(true)
        .started()?;
    assert_eq!(service.output().text(), "hello\nit's; here\n");
    Ok(())
}

#[test]
fn a_std_command_keeps_its_environment_and_directory() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $GREETING ${HOME-none}; pwd -P; exec sleep 60"])
        .env("GREETING", "from {host}")
        .env_remove("HOME")
        .current_dir(directory.path());
    let path = directory.path().canonicalize().expect("it exists");
    let wanted = format!("from 127.0.0.1 none\n{}\n", path.display());
    let by_reference = OutputExecutor::new(&command, "^/");
    let by_change = OutputExecutor::new(&mut command, "^/");
    for service in [by_reference, by_change, OutputExecutor::new(command, "^/")] {
        let service = service.started()?;
        assert_eq!(service.output().text(), wanted);
    }
    Ok(())
}

#[test]
fn options_override_those_of_a_std_command() -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $FIRST $SECOND; exec sleep 60"]);
    command.envs([("FIRST", "1"), ("SECOND", "2")]);
    let service = OutputExecutor::new(command, "^1 3$").env("SECOND", "3");
    service.started().map(drop)
}

#[test]
fn a_string_is_shown_as_it_was_written() -> Result<()> {
    for (shell, written, filled) in [
        (false, r#"sh -c "sleep 300""#, r#"sh -c "sleep 300""#),
        (
            true,
            "sleep 300 && true #{host}",
            "sleep 300 && true #127.0.0.1",
        ),
    ] {
        let service = SimpleExecutor::new(written).shell(shell);
        assert_eq!(service.command(), written);
        let service = service.started()?;
        assert_eq!(service.command(), filled);
        assert_eq!(service.to_string(), format!("SimpleExecutor: {filled}"));
    }
    Ok(())
}
