//! Which fixed ports this process holds, by which thread: a wait for one's own would never end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

struct Entry {
    port: u16,
    thread: ThreadId,
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

    /// Notes that this thread's executor holds it.
    pub(crate) fn note(port: u16, title: &str) -> Self {
        entries().push(Entry {
            port,
            thread: thread::current().id(),
            title: title.to_owned(),
        });
        Self {
            port,
            process: std::process::id(),
        }
    }

    /// The title of an executor of this very thread that holds the port.
    pub(crate) fn by_this_thread(port: u16) -> Option<String> {
        let own = thread::current().id();
        entries()
            .iter()
            .find(|entry| entry.port == port && entry.thread == own)
            .map(|entry| entry.title.clone())
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
