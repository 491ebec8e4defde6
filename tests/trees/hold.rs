//! The proof that a tree is gone: every process of it holds a shared lock on one file for its life,
//! so the kernel gives the exclusive lock to whoever asks once all of them are gone.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

/// A file for the processes of one tree to lock, of whatever user they are. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    directory: TempDir,
    path: PathBuf,
    scratch: PathBuf,
}

impl Hold {
    pub(crate) fn new() -> Self {
        let directory = directory_for_everyone();
        let path = directory.path().join("hold");
        File::create(&path).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("own file");
        let scratch = directory.path().join("scratch");
        fs::create_dir(&scratch).expect("own directory");
        Self {
            directory,
            path,
            scratch,
        }
    }

    /// The file, as a word of a command.
    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a plain temporary directory")
    }

    /// A directory beside the file, for whatever the test process makes.
    pub(crate) fn scratch(&self) -> &str {
        self.scratch.to_str().expect("a plain temporary directory")
    }

    pub(crate) fn left_in_scratch(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.scratch).expect("it is there as long as this is");
        entries
            .map(|entry| entry.expect("listed").file_name().display().to_string())
            .collect()
    }

    /// A copy of a helper program where every user can run it.
    pub(crate) fn program_for_everyone(&self, program: &str) -> String {
        let program = Path::new(program);
        let copy = self
            .directory
            .path()
            .join(program.file_name().expect("a file"));
        // By a process of its own, and readable to all: a fork of another thread would have what this one
        // writes to, and nobody can run a program that somebody writes to.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755", "--"]).arg(program).arg(&copy);
        assert!(installed.status().expect("coreutils").success());
        copy.to_str().expect("a plain temporary directory").into()
    }

    pub(crate) fn is_free(&self) -> bool {
        Flock::lock(self.open(), FlockArg::LockExclusiveNonblock).is_ok()
    }

    /// Whether every process that holds the lock is gone within this time.
    pub(crate) fn is_free_within(&self, bound: Duration) -> bool {
        let (send, receive) = mpsc::channel();
        let file = self.open();
        // The kernel wakes the thread; it is left behind where that is too late.
        thread::spawn(move || {
            let lock = Flock::lock(file, FlockArg::LockExclusive);
            send.send(lock.is_ok())
        });
        receive.recv_timeout(bound).unwrap_or(false)
    }

    fn open(&self) -> File {
        File::open(&self.path).expect("it is there as long as this is")
    }
}

/// A directory that every user may read and search.
pub(crate) fn directory_for_everyone() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("own directory");
    directory
}
