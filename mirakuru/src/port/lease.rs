//! Implements one lease: the claim on a port's lock file, which a supervisor takes and holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::locks::directory;
use crate::sys::{self, Claim, Claimed};
use crate::wait::{self, Deadline};

/// A port that no other test process gets until this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) port: u16,
    claim: Claim,
}

/// The result of a request for a lease.
#[derive(Debug)]
pub(crate) enum Taken {
    Acquired(Lease),
    /// Another process holds it: a human-readable description of that process.
    HeldBy(String),
}

impl Lease {
    /// Takes the lease on this port, unless another process holds it. `holder` describes this process to the others.
    pub(crate) fn take(directory: &Path, port: u16, holder: &str) -> io::Result<Taken> {
        Self::take_within(directory, port, holder, REMOVAL)
    }

    /// Takes the lease with this patience for a process that removes the file.
    fn take_within(
        directory: &Path,
        port: u16,
        holder: &str,
        patience: Duration,
    ) -> io::Result<Taken> {
        let path = file_of(directory, port);
        let patience = Deadline::after(patience);
        loop {
            match Claim::make(&path, holder) {
                Ok(Claimed::Acquired(claim)) => return Ok(Taken::Acquired(Self { port, claim })),
                Ok(Claimed::HeldBy(reported)) => return Ok(Taken::HeldBy(reported)),
                Ok(Claimed::Removed) => {}
                Ok(Claimed::Removing) if patience.has_passed() => {
                    let path = path.display();
                    let reported = format!("a process that is still removing {path}");
                    return Ok(Taken::HeldBy(reported));
                }
                Ok(Claimed::Removing) => wait::pause(BETWEEN_TRIES),
                // Another process has just released the last lease, and removed the directory with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    directory::make(directory).map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Releases the port for other processes. The drop does the rest, which is slow and which no process waits for.
    pub(crate) fn give_back(&mut self) {
        self.claim.give_back();
    }
}

const PREFIX: &str = "port-";
/// The time that another process may take to remove a file. A removal is short, but a busy machine may delay it.
const REMOVAL: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_micros(100);

fn file_of(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("{PREFIX}{port}"))
}

/// Returns the process that holds the lease on this port: a supervisor.
///
/// A supervisor must not call this. Its own leases are not found, and `fcntl(2)` would release them.
pub(crate) fn holder(directory: &Path, port: u16) -> Option<u32> {
    sys::claimant(&file_of(directory, port))
}

/// Returns the ports that these supervisors have leases on.
pub(crate) fn leased(directory: &Path, supervisors: &[u32]) -> Vec<u16> {
    ports(directory)
        .filter(|port| holder(directory, *port).is_some_and(|pid| supervisors.contains(&pid)))
        .collect()
}

/// Removes the lock files of holders that were killed. As with [`holder`], a supervisor must not call this.
pub(crate) fn remove_leftovers(directory: &Path) {
    for port in ports(directory) {
        sys::remove_unclaimed(&file_of(directory, port));
    }
}

/// Returns the ports that have a lock file.
fn ports(directory: &Path) -> impl Iterator<Item = u16> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_lease_leaves_the_next_one_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = directory.path().join("locks");
        let take = || match Lease::take(&locks, 4242, "a test") {
            Ok(Taken::Acquired(lease)) => lease,
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

    /// Begins to remove the file of a lease, as another process does.
    #[cfg(unix)]
    fn remover_of(path: &Path) -> fs::File {
        fs::write(path, "a holder that was killed").expect("own directory");
        let remover = fs::File::options().write(true).open(path);
        let remover = remover.expect("own file");
        assert!(sys::try_lock_to_remove(&remover).expect("own file"));
        remover
    }

    // Elsewhere, a process does not notice its own lock.
    #[cfg(all(target_os = "linux", not(mirakuru_portable)))]
    #[test]
    fn a_lease_whose_removal_does_not_end_is_held() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = file_of(directory.path(), 4242);
        let _remover = remover_of(&path);
        let patience = Duration::from_millis(10);
        let taken = Lease::take_within(directory.path(), 4242, "a test", patience);
        let Ok(Taken::HeldBy(holder)) = taken else {
            panic!("{taken:?}");
        };
        let reported = format!("a process that is still removing {}", path.display());
        assert_eq!(holder, reported);
    }

    #[cfg(unix)]
    #[test]
    fn a_lease_waits_for_the_end_of_a_removal() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = file_of(directory.path(), 4242);
        let remover = remover_of(&path);
        let taken = std::thread::scope(|scope| {
            let taken = scope.spawn(|| Lease::take(directory.path(), 4242, "a test"));
            // A remover may be this slow on a busy machine.
            wait::pause(Duration::from_millis(500));
            fs::remove_file(&path).expect("own directory");
            drop(remover);
            taken.join().expect("no panic")
        });
        assert!(matches!(taken, Ok(Taken::Acquired(_))), "{taken:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_lease_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = directory.path().join("locks");
        directory::make(&locks).expect("own directory");
        std::os::unix::fs::symlink("elsewhere", file_of(&locks, 4242)).expect("own directory");
        Lease::take(&locks, 4242, "a test").expect_err("a link");
        assert!(!locks.join("elsewhere").exists());
    }
}
