//! A run of the tests of `in_a_run.rs` and similar files, and the traces that it leaves.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use mirakuru_tests::{
    cargo::{cargo, package, target_directory},
    hold::Hold,
};
use regex::Regex;

use crate::PROGRAM;

/// The grace period of two seconds, and a margin for a busy machine.
const GRACE: Duration = Duration::from_secs(20);

/// The directory that the tests of one run write to, and the pipe that their services hold.
pub(crate) struct Run {
    /// The pipe of the service. Its scratch directory is the directory of the tests.
    hold: Hold,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self { hold: Hold::new() }
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn starts(&self) -> usize {
        self.lines("starts").len()
    }

    /// Returns how often tests used the service, and how many different processes they saw.
    pub(crate) fn uses(&self) -> (usize, usize) {
        let pids = self.lines("pids");
        (pids.len(), pids.iter().collect::<BTreeSet<_>>().len())
    }

    pub(crate) fn slots(&self) -> Vec<String> {
        self.lines("slots")
    }

    /// Returns the reports of the tests whose fixture could not start.
    pub(crate) fn reported(&self) -> Vec<String> {
        let mut reported = self.lines("reported");
        reported.sort();
        reported
    }

    /// Returns a path in the directory of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.hold.scratch()).join(name)
    }

    /// Returns a script that runs its arguments as a child, so that the script stays between them and the runner.
    pub(crate) fn wrapper(&self) -> PathBuf {
        let path = self.path("wrapper");
        let text = "#!/bin/sh\n\"$@\"\nexit $?\n";
        fs::write(&path, text).expect("own directory");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own file");
        path
    }

    /// Returns whether every process of the service is gone within the grace period.
    #[track_caller]
    pub(crate) fn is_gone(&self) -> bool {
        self.hold.is_free_within(GRACE)
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.hold.is_held()
    }

    pub(crate) fn nextest(&self, filter: &str) -> Command {
        self.nextest_with("shared", filter)
    }

    pub(crate) fn nextest_with(&self, profile: &str, filter: &str) -> Command {
        let mut command = self.on_tests(&["nextest", "run"]);
        select(&mut command, profile, filter);
        command
    }

    /// Returns a nextest command for an archive of the tests, as on another machine.
    pub(crate) fn nextest_of_an_archive(&self, filter: &str) -> Command {
        let archive = self.path("archive.tar.zst");
        let mut archived = self.on_tests(&["nextest", "archive"]);
        archived.arg("--archive-file").arg(&archive);
        succeeds(archived);
        let mut command = self.cargo(&["nextest", "run", "--archive-file"]);
        select(command.arg(&archive), "shared", filter);
        command
    }

    pub(crate) fn cargo_test(&self, filter: &str) -> Command {
        let mut command = self.on_tests(&["test"]);
        command.arg(filter);
        command
    }

    /// Returns a nextest command for the binaries that export a service: a run starts it before their `main`.
    pub(crate) fn nextest_of_exports(&self) -> Command {
        let words = ["nextest", "run"];
        let mut command = self.on_binaries(&words, &["exports_in_a_run", "exports_in_a_run_too"]);
        select(&mut command, "shared", "has_the_variable");
        command
    }

    fn on_tests(&self, words: &[&str]) -> Command {
        self.on_binaries(words, &["in_a_run", "in_a_run_too", "clients_in_a_run"])
    }

    /// Returns a command for these binaries. It selects the whole workspace, as the gate does: with other features
    /// cargo would build everything again.
    fn on_binaries(&self, words: &[&str], binaries: &[&str]) -> Command {
        let mut command = self.cargo(words);
        command.arg("--workspace");
        for binary in binaries {
            command.args(["--test", binary]);
        }
        // The variable also reaches a run within the run.
        command.env("CARGO_TARGET_DIR", target_directory(PROGRAM));
        command
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = cargo();
        command
            .args(words)
            .env("IN_A_RUN", self.hold.scratch())
            .env("HOLD", self.hold.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Returns a command that runs the test binary directly, without a runner.
    pub(crate) fn binary(&self, filter: &str) -> Command {
        let mut listed = self.on_tests(&["test", "--no-run", "--message-format=json"]);
        let output = listed.output().expect("cargo");
        let text = String::from_utf8_lossy(&output.stdout);
        let path = text
            .split('"')
            .find(|word| word.contains("/in_a_run-"))
            .unwrap_or_else(|| panic!("no test binary: {text}"));
        let mut command = Command::new(path);
        command
            .arg(filter)
            .env("IN_A_RUN", self.hold.scratch())
            .env("HOLD", self.hold.path())
            .env_remove("NEXTEST_RUN_ID")
            .stdin(Stdio::null());
        command
    }
}

fn select(command: &mut Command, profile: &str, filter: &str) {
    let config = package().join("runners/nextest.toml");
    command.arg("--config-file").arg(config);
    command.args(["--profile", profile, "--no-fail-fast", "-E"]);
    command.arg(format!("test({filter})"));
}

/// Runs the command and asserts that at least one test ran and that all tests passed.
#[track_caller]
pub(crate) fn passes(command: Command) {
    let output = succeeds(command);
    let some = Regex::new("[1-9][0-9]* passed").expect("a valid expression");
    assert!(some.is_match(&output), "no test ran:\n{output}");
}

#[track_caller]
pub(crate) fn succeeds(mut command: Command) -> String {
    let output = command.output().expect("a runner");
    let text = text_of(&output);
    assert!(output.status.success(), "{text}");
    text
}

pub(crate) fn text_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// A runner. Dropping it kills the process before its run has ended.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
