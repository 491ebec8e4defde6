//! The proof that a tree is gone: every process of it holds the writing end of a named pipe, so the
//! kernel tells who reads it that the file ends only once all of them are gone. A byte in it tells that
//! there was a tree at all.

use std::{
    cell::Cell,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

/// A named pipe for the processes of one tree to hold. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Lifeline {
    _directory: TempDir,
    path: PathBuf,
    reader: File,
    /// The byte came, since it was cut last.
    was_held: Cell<bool>,
}

impl Lifeline {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lifeline");
        mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
        // Without waiting for a writer, and with one there, without waiting for what it writes.
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .expect("own pipe");
        Self {
            _directory: directory,
            path,
            reader,
            was_held: Cell::new(false),
        }
    }

    /// A command for a shell, which runs these words with the pipe open as descriptor 9.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        self.script(&format!("exec {}", quoted(words)))
    }

    /// The same for a script of more than one command.
    pub(crate) fn script(&self, script: &str) -> String {
        format!("exec 9>{}; printf . >&9; {script}", self.path.display())
    }

    /// Whether nobody holds the pipe any more.
    #[track_caller]
    pub(crate) fn is_cut(&self) -> bool {
        loop {
            match (&self.reader).read(&mut [0]) {
                Ok(0) => {
                    assert!(self.was_held.replace(false), "nobody ever held it");
                    return true;
                }
                Ok(_) => self.was_held.set(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Words as a shell takes them; placeholders stay.
pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().fold(String::new(), |mut line, word| {
        assert!(!word.contains('\''), "no word of these tests has quotes");
        write!(line, "'{word}' ").expect("a string takes all");
        line
    })
}
