//! Another test process that has a service on a fixed port.

use std::{
    io::{self, BufRead, BufReader, Lines, PipeReader},
    process::{Child, Command, Stdio},
};

use mirakuru::SimpleExecutor;

use crate::{PROGRAM, TEST_PROCESS};

/// A port that nobody has, fixed from now on: outside of what is given to connections, and not
/// leased any more.
pub(crate) fn fixed_port() -> u16 {
    SimpleExecutor::new("x {port}").port()
}

/// Killed when dropped.
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

    /// One that takes the first port, and then queues for the second.
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
            // What it says is read.
            .env_remove("MIRAKURU_LOG");
        shape(&mut holder);
        Self::of(holder)
    }

    /// Another program that has a service on a fixed port.
    pub(crate) fn of(mut holder: Command) -> Self {
        let (output, both) = io::pipe().expect("a pipe");
        holder
            .stdin(Stdio::piped())
            .stdout(both.try_clone().expect("a descriptor"))
            .stderr(both);
        let child = holder.spawn().expect("a program");
        // The writing ends are its own now.
        drop(holder);
        let lines = BufReader::new(output).lines();
        Self { child, lines }
    }

    /// One that tells each step as well.
    pub(crate) fn that_tells(port: u16, policy: &str) -> Self {
        let command = format!("exec {PROGRAM} listens_late {port}");
        Self::with(port, policy, &command, |holder| {
            holder.env("MIRAKURU_LOG", "1");
        })
    }

    /// Reads on until it has said this; the line that it is in.
    pub(crate) fn await_word(&mut self, word: &str) -> String {
        let mut said = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            if line.contains(word) {
                return line;
            }
            said.push(line);
        }
        panic!("it ended without {word:?}: {said:?}");
    }

    /// Its next line: `held`, or the kind of its error.
    pub(crate) fn outcome(&mut self) -> String {
        let line = self.lines.next().expect("it says how it went");
        line.expect("text")
    }

    /// The rest of what it says, once it has ended.
    pub(crate) fn rest(mut self) -> String {
        drop(self.child.stdin.take());
        let lines: Vec<_> = self.lines.by_ref().map_while(Result::ok).collect();
        self.child.wait().expect("a child");
        lines.join("\n")
    }

    /// Has it stop its service and end, and waits for that.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("a child");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child that lives");
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
