//! Starts `programs/test_process.rs`, a test process that is ready to end.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use mirakuru_everywhere::{life::Life, program};
use tempfile::TempDir;

use crate::WHOLE;

/// A test process, which is killed when this is dropped.
pub(crate) struct TestProcess {
    child: Child,
    /// The private directory of the process's service.
    pub(crate) tmpdir: PathBuf,
    /// The working directory, which receives a core file if there is one.
    _directory: TempDir,
}

impl TestProcess {
    /// Starts a test process, and waits until the tree of its service is complete.
    pub(crate) fn start(ending: &str, life: &Life, port: Option<u16>) -> Self {
        Self::with(ending, life, port, |_| {})
    }

    pub(crate) fn with(
        ending: &str,
        life: &Life,
        port: Option<u16>,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program("everywhere-test-process"));
        command.args([ending, &life.address()]);
        command.args(port.map(|port| port.to_string()));
        command.current_dir(directory.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        prepare(&mut command);
        let mut child = command.spawn().expect("a program of this package");
        let mut text = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut text).expect("text");
        let tmpdir = PathBuf::from(text.trim_end());
        life.wait_for(WHOLE);
        assert!(tmpdir.is_dir(), "{text:?} is not a directory");
        assert_eq!(life.counts(), (WHOLE, WHOLE), "the tree lives");
        Self {
            child,
            tmpdir,
            _directory: directory,
        }
    }

    /// Makes the process end, and returns its exit code if it has one.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().expect("a child").code()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is not waited for yet");
        self.child.wait().expect("a child");
    }
}

impl Drop for TestProcess {
    /// Kills the process even if the test failed.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
