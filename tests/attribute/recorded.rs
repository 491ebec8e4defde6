//! Processes that record their start and their stop in a file of the test's thread.
//!
//! With it, a test can observe the processes of a function that has the attribute and no parameters.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::PathBuf,
};

use mirakuru::{OutputExecutor, SimpleExecutor};
use tempfile::TempDir;

thread_local! {
    static FILE: RefCell<PathBuf> = RefCell::default();
}

/// The file of this thread, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Notes(TempDir);

impl Notes {
    pub(crate) fn new() -> Self {
        let notes = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::write(notes.path(), "").expect("own directory");
        FILE.set(notes.path());
        notes
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("notes")
    }

    /// Returns the notes so far, separated by commas.
    pub(crate) fn text(&self) -> String {
        let text = fs::read_to_string(self.path()).expect("own file");
        text.trim_end().replace('\n', ", ")
    }
}

/// Adds a note.
pub(crate) fn note(text: &str) {
    let file = FILE.with_borrow(Clone::clone);
    let noted = fs::read_to_string(&file).expect("own file");
    fs::write(file, format!("{noted}{text}\n")).expect("own file");
}

/// Returns a process that records its start, and its stop by the stop signal. It does not record a kill.
pub(crate) fn notes(name: &str) -> OutputExecutor {
    ends(name, 0)
}

/// Returns a process as `notes` does, with another exit code.
pub(crate) fn ends(name: &str, code: i32) -> OutputExecutor {
    // Short sleeps, because the shell handles a signal only after the current one.
    let script = "trap 'echo $NAME- >>$NOTES; exit $CODE' TERM
         echo $NAME+ >>$NOTES; echo ready; while :; do sleep 0.05; done";
    OutputExecutor::new(["sh", "-c", script], "ready")
        .env("NAME", name)
        .env("CODE", code.to_string())
        .env("NOTES", FILE.with_borrow(Clone::clone))
}

thread_local!(static MADE: Cell<u32> = const { Cell::new(0) });

/// Returns an executor, and counts it on this thread. For tests without parameters.
pub(crate) fn counted() -> SimpleExecutor {
    MADE.set(MADE.get() + 1);
    SimpleExecutor::new("sleep 60")
}

/// Returns how often `counted` was called in this test, and resets the count.
pub(crate) fn made() -> u32 {
    MADE.take()
}
