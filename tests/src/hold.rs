//! The proof that a process tree is gone. Each process of the tree holds the writing end of a named pipe, so the reader
//! sees the end of the pipe only after all of them are gone.
//!
//! A shell opens the pipe as descriptor 9 before it becomes the program of the tree. All processes of the
//! tree inherit the descriptor, regardless of their program, user, session and environment. A byte in the
//! pipe shows that the tree existed. A lock on a file would prove the same, but only for programs that take it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{ErrorKind, Read},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::Mode,
    unistd::mkfifo,
};
use tempfile::TempDir;

/// A named pipe that the processes of a tree hold; every user may open it. Dropping it removes the pipe.
#[derive(Debug)]
pub struct Hold {
    directory: TempDir,
    path: PathBuf,
    scratch: PathBuf,
    reader: File,
    /// Whether a byte has arrived since the pipe was last found free.
    was_held: AtomicBool,
}

impl Hold {
    /// Creates a pipe that no process holds yet.
    #[must_use]
    pub fn new() -> Self {
        let directory = directory_for_everyone();
        let path = directory.path().join("hold");
        mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
        // `mkfifo` applies the umask; this call does not.
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("own pipe");
        // The reader does not block, neither for a writer nor for its bytes. It must exist first, because the shell
        // that opens the other end waits for a reader.
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .expect("own pipe");
        let scratch = directory.path().join("scratch");
        fs::create_dir(&scratch).expect("own directory");
        Self {
            directory,
            path,
            scratch,
            reader,
            was_held: AtomicBool::new(false),
        }
    }

    /// Returns the path of the pipe, as an argument of a command.
    #[must_use]
    pub fn path(&self) -> &str {
        plain(&self.path)
    }

    /// Returns a directory next to the pipe, for the files of a test process.
    #[must_use]
    pub fn scratch(&self) -> &str {
        plain(&self.scratch)
    }

    /// Returns the names of the files in the scratch directory.
    #[must_use]
    pub fn left_in_scratch(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.scratch).expect("it exists as long as the hold");
        entries
            .map(|entry| entry.expect("listed").file_name().display().to_string())
            .collect()
    }

    /// Copies a program to a directory where every user can run it, and returns the path of the copy.
    pub fn program_for_everyone(&self, program: &str) -> String {
        let program = Path::new(program);
        let name = program.file_name().expect("a file");
        let copy = self.directory.path().join(name);
        // A separate process writes the copy and exits. If this process wrote it, a concurrent fork by another thread
        // would inherit the descriptor, and a program cannot run while a process has it open for writing.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755", "--"]).arg(program).arg(&copy);
        assert!(installed.status().expect("coreutils").success());
        plain(&copy).to_owned()
    }

    /// Returns a command that runs these words with the pipe open.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Vec<String> {
        command_holding(self.path(), words)
    }

    /// Returns a shell script that runs `script` with the pipe open.
    #[must_use]
    pub fn script(&self, script: &str) -> String {
        script_holding(self.path(), script)
    }

    /// Returns whether a process holds the pipe now.
    #[must_use]
    #[track_caller]
    pub fn is_held(&self) -> bool {
        loop {
            match (&self.reader).read(&mut [0]) {
                Ok(0) => return false,
                Ok(_) => self.was_held.store(true, Ordering::Relaxed),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Returns whether all processes that held the pipe are gone.
    ///
    /// # Panics
    ///
    /// If no process has held the pipe since it was last found free: that would prove nothing.
    #[must_use]
    #[track_caller]
    pub fn is_free(&self) -> bool {
        if self.is_held() {
            return false;
        }
        let was_held = self.was_held.swap(false, Ordering::Relaxed);
        assert!(was_held, "no process ever held it");
        true
    }

    /// Returns whether all processes that held the pipe are gone within this time.
    ///
    /// # Panics
    ///
    /// If no process has held the pipe, as in [`is_free`](Self::is_free).
    #[must_use]
    #[track_caller]
    pub fn is_free_within(&self, bound: Duration) -> bool {
        let begun = Instant::now();
        while !self.is_free() {
            let left = bound.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            // A byte or the end of the pipe ends the wait.
            let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(left).expect("a short bound");
            poll(&mut fds, left).expect("a valid descriptor");
        }
        true
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a command that runs these words with the pipe at this path open.
#[must_use]
pub fn command_holding(path: &str, words: &[&str]) -> Vec<String> {
    let open = "exec 9>\"$0\"; printf . >&9; exec \"$@\"";
    let begin = ["sh", "-c", open, path];
    let words = begin.iter().chain(words);
    words.map(|word| (*word).to_owned()).collect()
}

/// Returns a shell script that runs `script` with the pipe at this path open.
#[must_use]
pub fn script_holding(path: &str, script: &str) -> String {
    format!("exec 9>'{path}'; printf . >&9; {script}")
}

fn directory_for_everyone() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("own directory");
    directory
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain temporary directory")
}
