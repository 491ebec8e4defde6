//! Implements locks on files that test processes share (`flock(2)`). The kernel releases a lock when its holder dies.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::fork::Owner;
use crate::sys::{self, LockedFile};
use crate::wait::{self, Deadline};

/// The lock on one file. The process that took the lock releases it when it drops this value.
///
/// A forked child has a copy of the open file, and with it of the lock. In the child, a drop only closes that copy.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// The locked file; `None` only during the drop.
    file: Option<LockedFile>,
    /// The path of the file, if the file is removed together with the lock.
    remove_on_drop: Option<PathBuf>,
    owner: Owner,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if !self.owner.is_this_process() {
            sys::close_copy(file);
            return;
        }
        // The file is removed before the lock is released, so that no process can lock a file that is then removed.
        if let Some(path) = &self.remove_on_drop {
            let _ = fs::remove_file(path);
            // Some systems keep the name as long as the file is open. The file is closed before its directory is
            // removed.
            drop(file);
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// Locks an open file, or returns `None` if another open file holds the lock.
type Lock = fn(File) -> io::Result<Option<LockedFile>>;

impl FileLock {
    /// Waits for the lock until the deadline.
    pub(crate) fn take(path: &Path, deadline: Deadline) -> io::Result<Self> {
        Self::take_by(sys::try_lock, path, deadline)
    }

    fn take_by(lock: Lock, path: &Path, deadline: Deadline) -> io::Result<Self> {
        loop {
            if let Some(lock) = Self::try_take(lock, path, false)? {
                return Ok(lock);
            }
            if deadline.has_passed() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait::pause(wait::next_try(deadline.elapsed()));
        }
    }

    /// Waits until the deadline for a shared lock, which any number of holders may have at once.
    #[cfg(feature = "services")]
    pub(crate) fn take_with_others(path: &Path, deadline: Deadline) -> io::Result<Self> {
        Self::take_by(sys::try_lock_with_others, path, deadline)
    }

    /// Takes the exclusive lock, unless another process or thread holds the lock.
    #[cfg(feature = "services")]
    pub(crate) fn try_take_alone(path: &Path) -> io::Result<Option<Self>> {
        Self::try_take(sys::try_lock, path, false)
    }

    /// Takes the lock, unless another open file holds it.
    fn try_take(lock: Lock, path: &Path, removes: bool) -> io::Result<Option<Self>> {
        loop {
            let file = sys::open_private_file(path)?;
            let Some(file) = lock(file)? else {
                return Ok(None);
            };
            if let Some(lock) = Self::of_locked(file, path, removes) {
                return Ok(Some(lock));
            }
        }
    }

    /// Returns the lock if the path still leads to the locked file.
    ///
    /// Between the opening and the lock, another process may have removed the file.
    fn of_locked(file: LockedFile, path: &Path, removes: bool) -> Option<Self> {
        sys::is_at(&file, path).then(|| Self {
            file: Some(file),
            remove_on_drop: removes.then(|| path.to_owned()),
            owner: Owner::this_process(),
        })
    }

    /// Takes the lock on a file that is removed together with the lock. Its directory is removed with the last such
    /// file.
    pub(crate) fn try_take_passing(path: &Path) -> io::Result<Option<Self>> {
        Self::try_take(sys::try_lock, path, true)
    }

    /// Updates the modification time of the file. No correctness depends on it.
    #[cfg(feature = "services")]
    pub(crate) fn touch(&self) {
        let _ = self.file.as_deref().map(sys::touch);
    }

    /// Replaces the contents of the file.
    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        let Some(mut file) = self.file.as_deref() else {
            return Ok(());
        };
        file.set_len(0)?;
        file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(
        windows,
        ignore = "Wine keeps the name of a removed file as long as it is open"
    )]
    fn a_file_that_was_removed_before_the_lock_is_not_locked() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("slot-1");
        let open = || sys::open_private_file(&path).expect("own directory");
        let lock = |file| sys::try_lock(file).expect("own file").expect("no other");
        let removed = open();
        fs::remove_file(&path).expect("it is there");
        assert!(FileLock::of_locked(lock(removed), &path, true).is_none());
        // By now, another process has made a file of this name.
        let replaced = open();
        fs::remove_file(&path).expect("it is there");
        let current = open();
        assert!(FileLock::of_locked(lock(replaced), &path, true).is_none());
        assert!(path.exists(), "it belongs to the other process");
        assert!(FileLock::of_locked(lock(current), &path, true).is_some());
        assert!(!path.exists(), "the lock is dropped");
    }
}
