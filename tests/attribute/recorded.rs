//! Processes that note when they start and when they are stopped, in a file that belongs to the
//! test's thread: so what has an attribute and no parameters can be told of it.

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

/// The file of this thread. Removed when dropped.
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

    /// What was noted so far, with commas.
    pub(crate) fn text(&self) -> String {
        let text = fs::read_to_string(self.path()).expect("own file");
        text.trim_end().replace('\n', ", ")
    }
}

/// Adds a note of the test's own.
pub(crate) fn note(text: &str) {
    let file = FILE.with_borrow(Clone::clone);
    let noted = fs::read_to_string(&file).expect("own file");
    fs::write(file, format!("{noted}{text}\n")).expect("own file");
}

/// A process that notes its start, and its stop where it is asked to: a kill is not noted.
pub(crate) fn notes(name: &str) -> OutputExecutor {
    ends(name, 0)
}

/// The same with another exit code.
pub(crate) fn ends(name: &str, code: i32) -> OutputExecutor {
    // Short sleeps: a signal between two of them is heard after the next.
    let script = "trap 'echo $NAME- >>$NOTES; exit $CODE' TERM
         echo $NAME+ >>$NOTES; echo ready; while :; do sleep 0.05; done";
    OutputExecutor::new(["sh", "-c", script], "ready")
        .env("NAME", name)
        .env("CODE", code.to_string())
        .env("NOTES", FILE.with_borrow(Clone::clone))
}

thread_local!(static MADE: Cell<u32> = const { Cell::new(0) });

/// Counts on its thread that it was made: for tests whose attribute gives them nothing.
pub(crate) fn counted() -> SimpleExecutor {
    MADE.set(MADE.get() + 1);
    SimpleExecutor::new("sleep 60")
}

/// How often that was in this test.
pub(crate) fn made() -> u32 {
    MADE.take()
}
