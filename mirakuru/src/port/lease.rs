//! One lease: the lock on a port's file. Taken and held by a supervisor.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::locks::directory;
use crate::sys;
use crate::wait::{self, Deadline};

/// A port that no other test process gets until this is dropped.
///
/// Dropping removes the file and with it the lock, and the directory with the last one. A holder that
/// is killed leaves the file, without the lock: the next one takes it over, or another process removes it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) port: u16,
    /// Until the lease is given back.
    path: Option<PathBuf>,
    /// Open for the lock alone. A process must open the file of a port it holds never again: closing
    /// that would give the lock back.
    file: File,
}

/// What came of asking for a lease.
#[derive(Debug)]
pub(crate) enum Taken {
    Here(Lease),
    /// Somebody else has it: who, for people.
    Elsewhere(String),
}

impl Lease {
    /// Takes the lease on this port, unless somebody else holds it. `holder` is what others are told.
    pub(crate) fn take(directory: &Path, port: u16, holder: &str) -> io::Result<Taken> {
        let path = file_of(directory, port);
        let patience = Deadline::after(REMOVAL);
        loop {
            let file = match sys::open_private_file(&path) {
                Ok(file) => file,
                // Somebody has just given the last lease back.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    directory::make(directory).map_err(io::Error::other)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !sys::try_lock_for_process(&file)? {
                let told = match sys::process_that_locks(&file) {
                    Some(_) => fs::read_to_string(&path).unwrap_or_default(),
                    // It has no holder: another process removes what a killed one left, or is just giving it back.
                    None if !patience.has_passed() => {
                        wait::pause(BETWEEN_TRIES);
                        continue;
                    }
                    None => format!(
                        "a process that removes {}, and does not end",
                        path.display()
                    ),
                };
                return Ok(Taken::Elsewhere(told));
            }
            // A lease first: where there is no room to say whose it is, its drop removes the file.
            if let Some(mut lease) = Self::of_locked(file, &path, port) {
                lease.file.set_len(0)?;
                lease.file.write_all(holder.as_bytes())?;
                return Ok(Taken::Here(lease));
            }
        }
    }

    /// Returns `None` if the path does not lead to the locked file any more: the former holder may have removed it
    /// between the opening and the lock.
    fn of_locked(file: File, path: &Path, port: u16) -> Option<Self> {
        let path = sys::is_at(&file, path).then(|| path.to_owned())?;
        Some(Self {
            port,
            path: Some(path),
            file,
        })
    }

    /// Removes the file: from now on another process gets the port. The drop only closes the removed file,
    /// which can take the file system longer than all else of a stop.
    pub(crate) fn give_back(&mut self) {
        let Some(path) = self.path.take() else { return };
        // Before the lock ends, so that no other process locks a file that is then removed.
        let _ = fs::remove_file(&path);
        if let Some(directory) = path.parent() {
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back();
    }
}

const PREFIX: &str = "port-";
/// How long another process may take to remove a file. It needs a moment, but a busy machine may not give it that.
const REMOVAL: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_micros(100);

fn file_of(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("{PREFIX}{port}"))
}

/// The process that holds the lease on this port: a supervisor. Not for one, whose own leases do not
/// count, and would be given back.
pub(crate) fn holder(directory: &Path, port: u16) -> Option<u32> {
    let file = File::open(file_of(directory, port)).ok()?;
    sys::process_that_locks(&file)
}

/// The ports that these supervisors have leases on.
pub(crate) fn leased(directory: &Path, supervisors: &[u32]) -> Vec<u16> {
    ports(directory)
        .filter(|port| holder(directory, *port).is_some_and(|pid| supervisors.contains(&pid)))
        .collect()
}

/// Removes the files of holders that were killed. Not for a supervisor, as [`holder`].
pub(crate) fn remove_leftovers(directory: &Path) {
    for port in ports(directory) {
        let path = file_of(directory, port);
        let Ok(file) = File::options().read(true).write(true).open(&path) else {
            continue;
        };
        if sys::try_lock_to_remove(&file).is_ok_and(|locked| locked) && sys::is_at(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The ports that have a file.
fn ports(directory: &Path) -> impl Iterator<Item = u16> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_was_given_back_leaves_the_next_one_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = directory.path().join("locks");
        let take = || match Lease::take(&locks, 4242, "a test") {
            Ok(Taken::Here(lease)) => lease,
            other => panic!("{other:?}"),
        };
        let mut first = take();
        first.give_back();
        assert!(!locks.exists(), "it was the last one");
        let second = take();
        drop(first);
        assert!(file_of(&locks, 4242).exists());
        drop(second);
        assert!(!locks.exists());
    }

    #[test]
    fn a_lease_waits_for_the_end_of_a_removal() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = file_of(directory.path(), 4242);
        fs::write(&path, "a holder that was killed").expect("own directory");
        let remover = File::options().write(true).open(&path).expect("own file");
        assert!(sys::try_lock_to_remove(&remover).expect("own file"));
        let taken = std::thread::scope(|scope| {
            let taken = scope.spawn(|| Lease::take(directory.path(), 4242, "a test"));
            // As on a machine that is too busy for the remover.
            wait::pause(Duration::from_millis(500));
            fs::remove_file(&path).expect("own directory");
            drop(remover);
            taken.join().expect("no panic")
        });
        assert!(matches!(taken, Ok(Taken::Here(_))), "{taken:?}");
    }

    #[test]
    fn a_link_in_the_place_of_a_lease_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = directory.path().join("locks");
        directory::make(&locks).expect("own directory");
        std::os::unix::fs::symlink("elsewhere", file_of(&locks, 4242)).expect("own directory");
        Lease::take(&locks, 4242, "a test").expect_err("a link");
        assert!(!locks.join("elsewhere").exists());
    }

    #[test]
    fn a_file_that_was_removed_before_the_lock_is_no_lease() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = file_of(directory.path(), 4242);
        let open = || sys::open_private_file(&path).expect("own directory");
        let removed = open();
        fs::remove_file(&path).expect("it is there");
        assert!(sys::try_lock_for_process(&removed).expect("own file"));
        assert!(Lease::of_locked(removed, &path, 4242).is_none());
        // Another process has made one of this name since.
        let replaced = open();
        fs::remove_file(&path).expect("it is there");
        let current = open();
        assert!(Lease::of_locked(replaced, &path, 4242).is_none());
        assert!(path.exists(), "it belongs to the other process");
        assert!(Lease::of_locked(current, &path, 4242).is_some());
    }
}
