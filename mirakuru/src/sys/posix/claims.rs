//! Claims of processes. A claim is the lock on a file, and the text in the file shows other processes its holder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::access::is_at;
use super::files::{
    open_private_file, process_that_locks, try_lock_for_process, try_lock_to_remove,
};
use crate::sys::Claimed;

/// A claim of this process. Dropping it removes the file, and the directory with the last file. If the holder is
/// killed, it leaves the file without the lock; the next holder takes the file over, or another process removes it.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The path of the file, until the claim is given back.
    path: Option<PathBuf>,
    /// The file that is open only for the lock. A process must never open the file of its own claim again, as closing
    /// that would give the lock back.
    file: File,
}

impl Claim {
    /// Makes a claim with the file at this path, unless another process has the claim. Other processes can read the
    /// text `reported`.
    pub(crate) fn make(path: &Path, reported: &str) -> io::Result<Claimed> {
        let file = open_private_file(path)?;
        if !try_lock_for_process(&file)? {
            return Ok(match process_that_locks(&file) {
                Some(_) => Claimed::HeldBy(fs::read_to_string(path).unwrap_or_default()),
                None => Claimed::Removing,
            });
        }
        // The claim is made first: if the disk has no room for the text, its drop removes the file.
        let Some(mut claim) = Self::of_locked(file, path) else {
            return Ok(Claimed::Removed);
        };
        claim.file.set_len(0)?;
        claim.file.write_all(reported.as_bytes())?;
        Ok(Claimed::Acquired(claim))
    }

    /// Returns `None` if the path does not lead to the locked file any more.
    fn of_locked(file: File, path: &Path) -> Option<Self> {
        let path = Some(is_at(&file, path).then(|| path.to_owned())?);
        Some(Self { path, file })
    }

    /// Removes the file, so that another process can get the claim. The drop then only closes the removed file, which
    /// can take the file system longer than the rest of a stop.
    pub(crate) fn give_back(&mut self) {
        let Some(path) = self.path.take() else { return };
        // Removed before the lock ends, so that no other process locks a file that is then removed.
        let _ = fs::remove_file(&path);
        if let Some(directory) = path.parent() {
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Returns the process that holds the claim with this file. A process with claims must not call this: its own claims
/// are not reported, and would be given back.
pub(crate) fn claimant(path: &Path) -> Option<u32> {
    process_that_locks(&File::open(path).ok()?)
}

/// Removes the file of a holder that was killed. A process with claims must not call this, as for [`claimant`].
pub(crate) fn remove_unclaimed(path: &Path) {
    let Ok(file) = File::options().read(true).write(true).open(path) else {
        return;
    };
    if try_lock_to_remove(&file).is_ok_and(|locked| locked) && is_at(&file, path) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_before_the_lock_is_not_a_claim() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("port-4242");
        let open = || open_private_file(&path).expect("own directory");
        let removed = open();
        fs::remove_file(&path).expect("it is there");
        assert!(try_lock_for_process(&removed).expect("own file"));
        assert!(Claim::of_locked(removed, &path).is_none());
        // Another process has made a file of this name since.
        let replaced = open();
        fs::remove_file(&path).expect("it is there");
        let current = open();
        assert!(Claim::of_locked(replaced, &path).is_none());
        assert!(path.exists(), "it belongs to the other process");
        assert!(Claim::of_locked(current, &path).is_some());
    }
}
