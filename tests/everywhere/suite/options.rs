//! Tests that the options of executors reach the service.

use std::{fs, io::Write, path::Path};

use mirakuru::{OutputExecutor, Result, SimpleExecutor, readiness::Stream};
use mirakuru_everywhere::service;

use crate::waits;

/// Returns what the service printed before it was ready.
#[track_caller]
fn printed(executor: OutputExecutor) -> String {
    let executor = executor.started().expect("it starts");
    let text = executor.output().text();
    text.strip_suffix("ready\n")
        .expect("it is ready")
        .to_owned()
}

#[test]
fn environment_variables_are_set_and_removed() {
    let steps = ["env=GREETING", "env=CARGO_MANIFEST_DIR"];
    let executor = waits(&steps).env("GREETING", "hello from {host}");
    let text = printed(executor.env_remove("CARGO_MANIFEST_DIR"));
    assert_eq!(
        text,
        "GREETING Some(\"hello from 127.0.0.1\")\nCARGO_MANIFEST_DIR None\n"
    );
}

#[test]
fn a_service_inherits_the_environment_of_the_test() {
    let name = "CARGO_MANIFEST_DIR";
    let own = std::env::var_os(name);
    assert!(own.is_some());
    assert_eq!(
        printed(waits(&[&format!("env={name}")])),
        format!("{name} {own:?}\n")
    );
}

#[test]
fn a_service_runs_in_the_given_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = printed(waits(&["cwd"]).cwd(directory.path()));
    let found = Path::new(text.trim_end().strip_prefix("cwd ").expect("its line"));
    let canonical = |path: &Path| path.canonicalize().expect("it is there");
    assert_eq!(canonical(found), canonical(directory.path()));
}

#[test]
fn a_private_directory_is_made_and_removed() -> Result<()> {
    let executor = waits(&["append={tmpdir}/state=some"]);
    let directory = executor.tmpdir();
    fs::write(directory.join("configuration"), "before the start").expect("it is there");
    executor.start()?;
    let state = fs::read_to_string(directory.join("state"));
    assert_eq!(state.expect("the service wrote it"), "some\n");
    assert!(directory.join("configuration").exists());
    drop(executor);
    assert!(!directory.exists());
    Ok(())
}

#[test]
fn a_private_directory_can_be_kept() -> Result<()> {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let executor = waits(&["append={tmpdir}/state=some"]).tmpdir_in(parent.path());
    let executor = executor.keep_tmpdir(true).started()?;
    let directory = executor.tmpdir();
    drop(executor);
    assert!(
        directory.starts_with(parent.path()),
        "{}",
        directory.display()
    );
    assert!(directory.join("state").exists());
    Ok(())
}

#[test]
fn a_banner_is_found_in_the_log_file() -> Result<()> {
    let command = service(&["after=50", "append={tmpdir}/log=up", "wait"]);
    let executor = OutputExecutor::new(command, "^up$").log_file("{tmpdir}/log");
    executor.stream(Stream::File).started()?.stop()?;
    Ok(())
}

#[test]
fn input_arrives_until_the_test_closes_it() -> Result<()> {
    let executor = OutputExecutor::new(service(&["say=ready", "echo", "wait"]), "ready");
    let executor = executor.started()?;
    for word in ["one", "two"] {
        writeln!(executor.input(), "{word}").expect("it reads");
        let line = executor.output().wait_for(format!("^read {word}$"))?;
        assert_eq!(line, format!("read {word}"));
    }
    executor.close_input()?;
    executor.output().wait_for("^end of input$")?;
    Ok(())
}

#[test]
fn the_words_of_a_command_arrive_unchanged() -> Result<()> {
    let words = [
        "",
        "a b",
        "\"quoted\"",
        r"C:\a\",
        r#"\"\\" x\\"#,
        "é",
        "%PATH%",
        "it's",
    ];
    let executor = SimpleExecutor::new(service(&["args"]))
        .args(words)
        .started()?;
    executor.wait_for(|| !executor.running())?;
    executor.stop()?;
    let lines = words.map(|word| format!("[{word}]\n")).concat();
    assert_eq!(executor.output().text(), lines);
    Ok(())
}

/// The shell gives no meaning to words that are added to its text.
#[test]
fn words_for_a_shell_arrive_unchanged() -> Result<()> {
    let words = [
        "",
        "a b",
        "http://x/?a=1&b=2",
        "a|b>c<d^e(f)!,;",
        r"C:\a b\",
        "it's",
        "100%",
        "%PATH%",
        "\"q\" {host}",
    ];
    let text = format!("echo first && \"{}\" args", &service(&[])[0]);
    let executor = SimpleExecutor::new(text)
        .args(words)
        .shell(true)
        .started()?;
    executor.wait_for(|| !executor.running())?;
    executor.stop()?;
    let lines = words.map(|word| format!("[{}]\n", word.replace("{host}", "127.0.0.1")));
    let printed = executor.output().text().replace("first \r\n", "first\n");
    assert_eq!(printed, format!("first\n{}", lines.concat()));
    Ok(())
}

/// A string is split by the system's rules. On Windows, a backslash separates the parts of a path.
#[test]
fn a_command_string_is_split_as_the_system_splits_one() -> Result<()> {
    let program = &service(&[])[0];
    let command = format!(r#"{program} args "C:\some where\x.exe" a\b '{{port}}'"#);
    let executor = SimpleExecutor::new(command).started()?;
    executor.wait_for(|| !executor.running())?;
    executor.stop()?;
    let second = if cfg!(windows) { r"a\b" } else { "ab" };
    let text = executor.output().text();
    let expected = format!("[C:\\some where\\x.exe]\n[{second}]\n");
    assert!(text.starts_with(&expected), "{text}");
    Ok(())
}

#[test]
#[cfg_attr(windows, ignore = "Wine 8 makes no hole in a file")]
fn output_beyond_the_limit_loses_its_middle() -> Result<()> {
    const MIB: usize = 1 << 20;
    let service = OutputExecutor::new(
        service(&["say=first", "flood=72000000", "say=last", "wait"]),
        "^last$",
    );
    let text = service.started()?.output().text();
    assert!(text.starts_with("first\n") && text.ends_with("last\n"));
    assert!(text.len() < 66 * MIB, "{} bytes", text.len());
    Ok(())
}
