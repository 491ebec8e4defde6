//! Which fixed ports this process holds, by which thread: a wait for one's own, or for that of a shared
//! fixture, would never end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

struct Entry {
    port: u16,
    thread: ThreadId,
    /// Held until the process ends.
    shared: bool,
    title: String,
}

static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

fn entries() -> MutexGuard<'static, Vec<Entry>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that an executor of this process holds; until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    port: u16,
    /// A forked child's copy is not its own, and the lock may be held by a thread that it lacks.
    process: u32,
}

impl Held {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Notes that this thread's executor holds it; `shared` where it is a fixture of the process.
    pub(crate) fn note(port: u16, title: &str, shared: bool) -> Self {
        entries().push(Entry {
            port,
            thread: thread::current().id(),
            shared,
            title: title.to_owned(),
        });
        Self {
            port,
            process: std::process::id(),
        }
    }

    /// Who holds the port and will not give it back while this thread waits, for people.
    pub(crate) fn in_the_way(port: u16) -> Option<String> {
        let own = thread::current().id();
        let entries = entries();
        let entry = entries
            .iter()
            .find(|entry| entry.port == port && (entry.shared || entry.thread == own))?;
        let whose = if entry.shared {
            "a shared fixture of this process"
        } else {
            "of this very thread"
        };
        Some(format!("the executor {}, {whose}", entry.title))
    }

    /// The ports that are not given back while this thread waits.
    pub(crate) fn own() -> Vec<u16> {
        let own = thread::current().id();
        let entries = entries();
        let own = entries
            .iter()
            .filter(|entry| entry.shared || entry.thread == own);
        own.map(|entry| entry.port).collect()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let mut entries = entries();
        if let Some(index) = entries.iter().position(|entry| entry.port == self.port) {
            entries.swap_remove(index);
        }
    }
}
