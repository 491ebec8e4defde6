//! The test's handle on a helper program that is a test process itself. The program prints facts, then `ready`, and
//! continues when its standard input ends.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use nix::sys::signal::{Signal, kill};

use crate::processes::{Process, pid_of};

/// A test process that is ready to end.
#[derive(Debug)]
pub(crate) struct Victim {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The service's private directory.
    pub(crate) directory: PathBuf,
    pub(crate) supervisors: Vec<Process>,
    /// The other lines that it printed before `ready`.
    pub(crate) facts: Vec<String>,
}

impl Victim {
    /// Starts the program and waits until it prints `ready`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a helper program");
        let mut victim = Self {
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
            directory: PathBuf::new(),
            supervisors: Vec::new(),
            facts: Vec::new(),
        };
        loop {
            let line = victim.next_line();
            match line.split_once(' ') {
                None if line == "ready" => return victim,
                Some(("tmpdir", directory)) => victim.directory = directory.into(),
                Some(("supervisor", pid)) => {
                    let supervisor = Process::open(pid.parse().expect("a pid"));
                    victim.supervisors.push(supervisor.expect("it lives"));
                }
                _ => victim.facts.push(line),
            }
        }
    }

    /// Closes the standard input of the program, which then continues to its end.
    pub(crate) fn go_on(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for the next line of output and returns it.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        assert!(line.ends_with('\n'), "its output ended: {line:?}");
        line.pop();
        line
    }

    /// Returns a command that runs the words that follow in the mount namespace of this program.
    pub(crate) fn in_its_mounts(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.child.id().to_string()]);
        command
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid_of(self.child.id()), signal).expect("it is not reaped yet");
    }

    /// Returns the exit status, or `None` while the program runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }

    /// Returns the remaining output. Waits until no process has the output open.
    pub(crate) fn rest_of_output(&mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        rest
    }
}

impl Drop for Victim {
    /// Kills the program, in case the test failed.
    fn drop(&mut self) {
        // Usually the program is already reaped, and `kill` fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
