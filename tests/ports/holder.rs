//! Another test process that has a service on a fixed port.

use std::{
    io::{self, BufRead, BufReader, Lines, PipeReader},
    process::{Child, Command, Stdio},
};

use mirakuru::SimpleExecutor;

use crate::{PROGRAM, TEST_PROCESS};

/// Returns a port for tests of fixed ports. It is outside of the kernel's range for connections, and its lease has
/// ended.
pub(crate) fn fixed_port() -> u16 {
    SimpleExecutor::new("x {port}").port()
}

/// A test process that holds a port. It is killed when dropped.
pub(crate) struct Holder {
    child: Child,
    lines: Lines<BufReader<PipeReader>>,
}

impl Holder {
    pub(crate) fn start(port: u16, policy: &str) -> Self {
        Self::with(
            port,
            policy,
            &format!("exec {PROGRAM} listens_late {port}"),
            |_| {},
        )
    }

    /// Starts a test process that takes the first port and then queues for the second.
    pub(crate) fn of_two(ports: [u16; 2]) -> Self {
        let [first, second] = ports.map(|port| format!("exec {PROGRAM} listens_late {port}"));
        Self::with(ports[0], "wait", &first, |holder| {
            holder.arg(ports[1].to_string()).arg(second);
        })
    }

    pub(crate) fn with(
        port: u16,
        policy: &str,
        command: &str,
        shape: impl FnOnce(&mut Command),
    ) -> Self {
        let mut holder = Command::new(TEST_PROCESS);
        holder
            .args(["holds_port", policy, &port.to_string(), command])
            // The test reads this output, so it must not contain log lines.
            .env_remove("MIRAKURU_LOG");
        shape(&mut holder);
        Self::of(holder)
    }

    /// Starts another program that has a service on a fixed port.
    pub(crate) fn of(mut holder: Command) -> Self {
        let (output, both) = io::pipe().expect("a pipe");
        holder
            .stdin(Stdio::piped())
            .stdout(both.try_clone().expect("a descriptor"))
            .stderr(both);
        let child = holder.spawn().expect("a program");
        // The child has the writing ends now.
        drop(holder);
        let lines = BufReader::new(output).lines();
        Self { child, lines }
    }

    /// Starts a test process that also reports each step.
    pub(crate) fn with_log(port: u16, policy: &str) -> Self {
        let command = format!("exec {PROGRAM} listens_late {port}");
        Self::with(port, policy, &command, |holder| {
            holder.env("MIRAKURU_LOG", "1");
        })
    }

    /// Reads until a line contains `word`, and returns that line.
    pub(crate) fn wait_for_line(&mut self, word: &str) -> String {
        let mut read = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            if line.contains(word) {
                return line;
            }
            read.push(line);
        }
        panic!("it ended without {word:?}: {read:?}");
    }

    /// Returns the next line: `held`, or the kind of the error.
    pub(crate) fn outcome(&mut self) -> String {
        let line = self.lines.next().expect("it prints an outcome");
        line.expect("text")
    }

    /// Ends the process and returns the rest of its output.
    pub(crate) fn rest(mut self) -> String {
        drop(self.child.stdin.take());
        let lines: Vec<_> = self.lines.by_ref().map_while(Result::ok).collect();
        self.child.wait().expect("a child");
        lines.join("\n")
    }

    /// Ends the process, which stops its service, and waits for it.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("a child");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running child");
        self.child.wait().expect("a child");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.lines.by_ref().map_while(Result::ok).count();
    }
}
