//! The proof that a process tree is gone: each process of it holds the writing end of a named pipe, so the
//! kernel ends the pipe for its reader only once all of them are gone.
//!
//! A shell opens the pipe as descriptor 9 before it becomes the program of the tree. All processes of the
//! tree inherit the descriptor, whatever their program, user, session and environment are. A byte in the
//! pipe shows that there was a tree at all. A lock on a file would prove the same, but only of
//! programs that take it.

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

/// A named pipe for the processes of a tree to hold, of whatever user they are. Removed when dropped.
#[derive(Debug)]
pub struct Hold {
    directory: TempDir,
    path: PathBuf,
    scratch: PathBuf,
    reader: File,
    /// A byte came since the pipe was found free last.
    was_held: AtomicBool,
}

impl Hold {
    /// Makes a pipe that no process holds yet.
    #[must_use]
    pub fn new() -> Self {
        let directory = directory_for_everyone();
        let path = directory.path().join("hold");
        mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
        // The user's mask does not count here.
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("own pipe");
        // The reader waits neither for a process that opens the pipe, nor for what that one writes. It comes
        // first, as the shell that opens the other end waits for a reader.
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

    /// The path of the pipe, as a word of a command.
    #[must_use]
    pub fn path(&self) -> &str {
        plain(&self.path)
    }

    /// A directory beside the pipe, for whatever a test process makes.
    #[must_use]
    pub fn scratch(&self) -> &str {
        plain(&self.scratch)
    }

    /// The names of what lies in the directory.
    #[must_use]
    pub fn left_in_scratch(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.scratch).expect("it is there as long as this is");
        entries
            .map(|entry| entry.expect("listed").file_name().display().to_string())
            .collect()
    }

    /// Copies a program to where every user can run it, and returns its path.
    pub fn program_for_everyone(&self, program: &str) -> String {
        let program = Path::new(program);
        let name = program.file_name().expect("a file");
        let copy = self.directory.path().join(name);
        // A process of its own writes the copy, and closes it by its end: a fork of another thread would have
        // what this one writes to, and a program cannot run while a process has it open for writing.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755", "--"]).arg(program).arg(&copy);
        assert!(installed.status().expect("coreutils").success());
        plain(&copy).to_owned()
    }

    /// A command that runs these words with the pipe open.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Vec<String> {
        command_holding(self.path(), words)
    }

    /// A script for a shell that runs this one with the pipe open.
    #[must_use]
    pub fn script(&self, script: &str) -> String {
        script_holding(self.path(), script)
    }

    /// Whether a process holds the pipe now.
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

    /// Whether all processes that held the pipe are gone.
    ///
    /// # Panics
    ///
    /// If no process has held it since it was found free last: that would prove nothing.
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

    /// Whether all processes that held the pipe are gone within this time.
    ///
    /// # Panics
    ///
    /// As [`is_free`](Self::is_free) does.
    #[must_use]
    #[track_caller]
    pub fn is_free_within(&self, bound: Duration) -> bool {
        let begun = Instant::now();
        while !self.is_free() {
            let left = bound.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            // The kernel wakes this thread for a byte, and for the end of the pipe.
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

/// A command that runs these words with the pipe of this path open.
#[must_use]
pub fn command_holding(path: &str, words: &[&str]) -> Vec<String> {
    let open = "exec 9>\"$0\"; printf . >&9; exec \"$@\"";
    let begin = ["sh", "-c", open, path];
    let words = begin.iter().chain(words);
    words.map(|word| (*word).to_owned()).collect()
}

/// A script for a shell that runs this one with the pipe of this path open.
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
