//! Records the fixed ports that executors of this process hold, and the thread of each.
//!
//! A thread that waited for a port of its own, or for a port of a shared fixture, would wait for ever.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::locks::Owner;

struct Entry {
    port: u16,
    thread: ThreadId,
    /// A shared fixture holds the port until the process ends.
    shared: bool,
    title: String,
}

/// The entries by a running number: another executor may claim the same port before the first claim is dropped.
static ENTRIES: Mutex<BTreeMap<u64, Entry>> = Mutex::new(BTreeMap::new());

fn entries() -> MutexGuard<'static, BTreeMap<u64, Entry>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fixed port that an executor of this process holds until this is dropped.
#[derive(Debug)]
pub(crate) struct PortClaim {
    pub(crate) port: u16,
    number: u64,
    /// A copy in a forked child removes no entry: another thread may have held the mutex of `ENTRIES` at the fork.
    owner: Owner,
}

impl PortClaim {
    /// Records that an executor of this thread holds the port. `shared` marks a fixture of the whole process.
    pub(crate) fn note(port: u16, title: &str, shared: bool) -> Self {
        let mut entries = entries();
        let number = entries.keys().next_back().map_or(0, |last| last + 1);
        let entry = Entry {
            port,
            thread: thread::current().id(),
            shared,
            title: title.to_owned(),
        };
        entries.insert(number, entry);
        Self {
            port,
            number,
            owner: Owner::this_process(),
        }
    }

    /// Returns the name of the executor that holds the port and keeps it while this thread waits.
    pub(crate) fn conflicting_holder(port: u16) -> Option<String> {
        let entries = entries();
        let entry = kept(&entries).find(|entry| entry.port == port)?;
        let holder = if entry.shared {
            "a shared fixture of this process"
        } else {
            "started by this thread"
        };
        Some(format!("the executor {}, {holder}", entry.title))
    }

    /// Returns the ports that stay held while this thread waits.
    pub(crate) fn own() -> Vec<u16> {
        kept(&entries()).map(|entry| entry.port).collect()
    }
}

fn kept(entries: &BTreeMap<u64, Entry>) -> impl Iterator<Item = &Entry> {
    let own = thread::current().id();
    let entries = entries.values();
    entries.filter(move |entry| entry.shared || entry.thread == own)
}

impl Drop for PortClaim {
    fn drop(&mut self) {
        if self.owner.is_this_process() {
            entries().remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_claim_removes_its_own_entry() {
        let former = PortClaim::note(1, "the former", false);
        let latter = PortClaim::note(1, "the latter", false);
        drop(former);
        let holder = PortClaim::conflicting_holder(1).expect("it is held");
        assert!(holder.contains("the latter"), "{holder}");
        drop(latter);
        assert_eq!(PortClaim::conflicting_holder(1), None);
    }

    #[test]
    fn a_thread_keeps_its_own_ports_and_those_of_fixtures() {
        let of_another = thread::spawn(|| {
            let local = PortClaim::note(2, "the local one", false);
            (local, PortClaim::note(3, "the fixture", true))
        });
        let of_another = of_another.join().expect("no panic");
        let own = PortClaim::note(4, "the own one", false);
        assert_eq!(PortClaim::conflicting_holder(2), None);
        for (port, expected) in [
            (
                3,
                "the executor the fixture, a shared fixture of this process",
            ),
            (4, "the executor the own one, started by this thread"),
        ] {
            assert_eq!(
                PortClaim::conflicting_holder(port).as_deref(),
                Some(expected)
            );
        }
        let mut ports = PortClaim::own();
        // No other test of this process uses these ports.
        ports.retain(|port| (2..=4).contains(port));
        assert_eq!(ports, [3, 4]);
        drop((of_another, own));
    }
}
