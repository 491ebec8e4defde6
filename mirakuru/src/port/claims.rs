//! The fixed ports that executors of this process hold, and the thread of each: a thread that waited for
//! a port of its own, or of a shared fixture, would wait for ever.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::locks::Owner;

struct Entry {
    port: u16,
    thread: ThreadId,
    /// A shared fixture holds it until the process ends.
    shared: bool,
    title: String,
}

/// By numbers: another executor may note the same port before the claim on it is dropped.
static ENTRIES: Mutex<BTreeMap<u64, Entry>> = Mutex::new(BTreeMap::new());

fn entries() -> MutexGuard<'static, BTreeMap<u64, Entry>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fixed port that an executor of this process holds until this is dropped.
#[derive(Debug)]
pub(crate) struct PortClaim {
    pub(crate) port: u16,
    number: u64,
    /// A forked child's copy gives nothing back: another thread may have held the list's lock at the fork.
    owner: Owner,
}

impl PortClaim {
    /// Notes that an executor of this thread holds the port. A `shared` one is a fixture of the process.
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

    /// Names the executor that holds the port and keeps it while this thread waits.
    pub(crate) fn in_the_way(port: u16) -> Option<String> {
        let entries = entries();
        let entry = kept(&entries).find(|entry| entry.port == port)?;
        let whose = if entry.shared {
            "a shared fixture of this process"
        } else {
            "of this very thread"
        };
        Some(format!("the executor {}, {whose}", entry.title))
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
        let holder = PortClaim::in_the_way(1).expect("it is held");
        assert!(holder.contains("the latter"), "{holder}");
        drop(latter);
        assert_eq!(PortClaim::in_the_way(1), None);
    }

    #[test]
    fn a_thread_keeps_its_own_ports_and_those_of_fixtures() {
        let of_another = thread::spawn(|| {
            let local = PortClaim::note(2, "the local one", false);
            (local, PortClaim::note(3, "the fixture", true))
        });
        let of_another = of_another.join().expect("no panic");
        let own = PortClaim::note(4, "the own one", false);
        assert_eq!(PortClaim::in_the_way(2), None);
        for (port, expected) in [
            (
                3,
                "the executor the fixture, a shared fixture of this process",
            ),
            (4, "the executor the own one, of this very thread"),
        ] {
            assert_eq!(PortClaim::in_the_way(port).as_deref(), Some(expected));
        }
        let mut ports = PortClaim::own();
        // Another test of this process has none of these.
        ports.retain(|port| (2..=4).contains(port));
        assert_eq!(ports, [3, 4]);
        drop((of_another, own));
    }
}
