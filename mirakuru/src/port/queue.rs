//! Finds deadlocks between processes that queue for ports. A process that queues while it holds other ports may wait
//! for a process that waits for one of those.
//!
//! Each such process writes a note next to the lock files while it queues. A process is in a circle if the notes lead
//! from the port that it waits for to a port that it holds. The process that waits for a lower port than it holds gives
//! way. A process that takes its ports in ascending order never does that.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::locks::FileLock;
use crate::sys;
use crate::wait::Deadline;

const PREFIX: &str = "queue-";
/// The interval between two checks. A circle does not go away, so a late check still finds it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The note of a process that queues.
struct Note {
    wanted: u16,
    held: Vec<u16>,
}

/// A place in the queue for a port.
#[derive(Debug)]
pub(crate) struct Ticket {
    directory: PathBuf,
    wanted: u16,
    next_look: Deadline,
    /// The ports held meanwhile, and the note of them. The note is removed when this is dropped or its process dies.
    note: Option<(Vec<u16>, FileLock)>,
}

impl Ticket {
    pub(crate) fn new(directory: PathBuf, wanted: u16) -> Self {
        Self {
            directory,
            wanted,
            next_look: Deadline::after(Duration::ZERO),
            note: None,
        }
    }

    /// Returns the port of this process for which another process of a circle waits, if this process must give way.
    ///
    /// `held` lists the ports that stay held during the wait. Each check calls it again, as other threads may take more
    /// ports.
    pub(crate) fn has_to_give_way(
        &mut self,
        held: impl FnOnce(&Path) -> Vec<u16>,
    ) -> io::Result<Option<u16>> {
        if !self.next_look.has_passed() {
            return Ok(None);
        }
        self.next_look = Deadline::after(BETWEEN_LOOKS);
        let held = held(&self.directory);
        if self.note.as_ref().is_none_or(|(noted, _)| *noted != held) {
            self.note = None;
            if !held.is_empty() {
                self.note = Some((held.clone(), self.leave_note(&held)?));
            }
        }
        let awaited = circle(&notes(&self.directory), self.wanted, &held);
        Ok(awaited.filter(|awaited| self.wanted < *awaited))
    }

    fn leave_note(&self, held: &[u16]) -> io::Result<FileLock> {
        static NOTES: AtomicU64 = AtomicU64::new(0);
        // A process of another pid namespace may use the same name. A process that looks for notes of dead processes
        // locks each note for a moment. In both cases the next name is tried.
        let note = loop {
            let number = NOTES.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", std::process::id());
            if let Some(note) = FileLock::try_take_passing(&self.directory.join(name))? {
                break note;
            }
        };
        let ports: Vec<_> = held.iter().map(u16::to_string).collect();
        note.write(&format!("{} {}\n", self.wanted, ports.join(" ")))?;
        Ok(note)
    }
}

/// Follows the notes from the holder of `wanted` to a process that waits for a port of `own`, and returns that port.
fn circle(notes: &[Note], wanted: u16, own: &[u16]) -> Option<u16> {
    let mut reached = BTreeSet::from([wanted]);
    loop {
        let waits_on = |note: &&Note| note.held.iter().any(|port| reached.contains(port));
        let next: Vec<_> = notes.iter().filter(waits_on).collect();
        if let Some(last) = next.iter().find(|note| own.contains(&note.wanted)) {
            return Some(last.wanted);
        }
        let before = reached.len();
        reached.extend(next.iter().map(|note| note.wanted));
        if reached.len() == before {
            return None;
        }
    }
}

/// Reads the notes of the processes that queue now, and removes the notes of dead processes.
fn notes(directory: &Path) -> Vec<Note> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_note = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let queued = entries.filter(|entry| is_note(&entry.file_name()));
    queued.filter_map(|entry| note(&entry.path())).collect()
}

fn note(path: &Path) -> Option<Note> {
    let file = File::open(path).ok()?;
    let text = fs::read_to_string(path).ok()?;
    // The writer holds the lock as long as it lives, and removes the file before it releases the lock. Another reader
    // may have removed the file, and a new note may have the same name: that note stays.
    if let Ok(Some(unheld)) = sys::try_lock(file) {
        if sys::is_at(&unheld, path) {
            let _ = fs::remove_file(path);
        }
        return None;
    }
    let (ports, _) = text.split_once('\n')?;
    let mut ports = ports.split(' ').map(str::parse);
    Some(Note {
        wanted: ports.next()?.ok()?,
        held: ports.collect::<Result<_, _>>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(wanted: u16, held: &[u16]) -> Note {
        Note {
            wanted,
            held: held.to_vec(),
        }
    }

    #[test]
    fn a_circle_is_found_through_any_number_of_others() {
        let notes = [queued(2, &[1]), queued(3, &[9, 2]), queued(4, &[3])];
        assert_eq!(circle(&notes, 1, &[4]), Some(4));
        assert_eq!(circle(&notes, 1, &[5]), None);
        assert_eq!(circle(&notes, 9, &[2]), None, "the holder of 1 waits for 2");
    }

    #[test]
    fn a_circle_without_this_process_is_not_reported() {
        let notes = [queued(2, &[1]), queued(1, &[2])];
        assert_eq!(circle(&notes, 1, &[3]), None);
    }

    #[test]
    fn a_process_that_waits_for_a_lower_port_gives_way() {
        let locks = tempfile::tempdir().expect("a temporary directory");
        let directory = locks.path().join("locks");
        fs::create_dir(&directory).expect("own directory");
        let ticket = |wanted| Ticket::new(directory.clone(), wanted);
        // The note of a process that was killed.
        fs::write(directory.join("queue-1-0"), "2 1\n").expect("own directory");
        let look = |mut ticket: Ticket, held| {
            ticket.next_look = Deadline::after(Duration::ZERO);
            let awaited = ticket.has_to_give_way(|_| vec![held]);
            (awaited.expect("room"), ticket)
        };
        let (awaited, down) = look(ticket(1), 2);
        assert_eq!(awaited, None);
        let (awaited, up) = look(ticket(2), 1);
        assert_eq!(awaited, None, "the other process gives way");
        let (awaited, down) = look(down, 2);
        assert_eq!(awaited, Some(2), "both wait");
        drop(up);
        let (awaited, down) = look(down, 2);
        assert_eq!(awaited, None);
        drop(down);
        assert!(!directory.exists());
    }
}
