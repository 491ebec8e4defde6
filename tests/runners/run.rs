//! A run of the tests of `in_a_run.rs`, and what it left.

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

/// Two seconds to ask the tree, and a margin for a machine that is busy.
const GRACE: Duration = Duration::from_secs(20);

/// The directory that the tests of one run write into.
pub(crate) struct Run {
    /// That of the service; the directory is the one beside it.
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

    /// How often it was used, and how many processes it was.
    pub(crate) fn uses(&self) -> (usize, usize) {
        let pids = self.lines("pids");
        (pids.len(), pids.iter().collect::<BTreeSet<_>>().len())
    }

    pub(crate) fn slots(&self) -> Vec<String> {
        self.lines("slots")
    }

    /// How those were answered that could not have it.
    pub(crate) fn reported(&self) -> Vec<String> {
        let mut reported = self.lines("reported");
        reported.sort();
        reported
    }

    /// A path of this run's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.hold.scratch()).join(name)
    }

    /// A script that runs its arguments, and stays.
    pub(crate) fn wrapper(&self) -> PathBuf {
        let path = self.path("wrapper");
        let text = "#!/bin/sh\n\"$@\"\nexit $?\n";
        fs::write(&path, text).expect("own directory");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own file");
        path
    }

    /// Whether every process of the service is gone within the grace period.
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

    /// On an archive of the tests, as on another machine.
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

    /// The tests of the binaries whose services a run starts before their `main`.
    pub(crate) fn nextest_of_exports(&self) -> Command {
        let words = ["nextest", "run"];
        let mut command = self.on_binaries(&words, &["exports_in_a_run", "exports_in_a_run_too"]);
        select(&mut command, "shared", "has_the_variable");
        command
    }

    fn on_tests(&self, words: &[&str]) -> Command {
        self.on_binaries(words, &["in_a_run", "in_a_run_too", "clients_in_a_run"])
    }

    /// The whole workspace, as the gate does: with other features everything would be built anew.
    fn on_binaries(&self, words: &[&str], binaries: &[&str]) -> Command {
        let mut command = self.cargo(words);
        command.arg("--workspace");
        for binary in binaries {
            command.args(["--test", binary]);
        }
        // For a run within the run too.
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

    /// The test binary itself, as a shell would run it.
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

/// Runs tests, of which there are some, and all of which pass.
#[track_caller]
pub(crate) fn passes(command: Command) {
    let said = succeeds(command);
    let some = Regex::new("[1-9][0-9]* passed").expect("a valid expression");
    assert!(some.is_match(&said), "none ran:\n{said}");
}

#[track_caller]
pub(crate) fn succeeds(mut command: Command) -> String {
    let output = command.output().expect("a runner");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    said
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// A runner that is ended before its run is.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
