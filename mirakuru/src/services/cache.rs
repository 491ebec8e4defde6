//! The cache of data directories. It has one entry for each program and its options. An entry is complete or absent,
//! and never changes. The cache belongs to one user.
//!
//! `NAME/` is an entry. `NAME.lock` is its lock file, which holds the size of the entry and the path of the program. A
//! process that copies an entry holds a shared lock. A process that makes or removes an entry holds an exclusive lock.
//! `NAME.new` is an entry that a process is making. A rename turns it into `NAME`, so no process sees a part of an
//! entry. The size reveals an entry that a crash of the system has truncated.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::environment::{self, Cache};
use crate::locks::FileLock;
use crate::sys;
use crate::wait::Deadline;

/// The maximum number of entries: enough for some versions of two programs, with some options.
const MAX_ENTRIES: usize = 12;

/// The directory of the cache.
pub(super) struct Entries(PathBuf);

impl Entries {
    /// Opens the cache, and makes its directory. Returns `None` if the user has disabled the cache.
    ///
    /// # Errors
    ///
    /// Returns the reason as human-readable text if the cache cannot be used.
    pub(super) fn open() -> Result<Option<Self>, String> {
        let path = match environment::cache()? {
            Cache::Off => return Ok(None),
            Cache::At(path) => path,
            Cache::OfUser => {
                let caches = sys::cache_directory();
                caches
                    .ok_or("the user has no home directory")?
                    .join("mirakuru")
            }
        };
        Self::at(&path).map(Some)
    }

    fn at(path: &Path) -> Result<Self, String> {
        refuse_replaceable(path)?;
        let refused = |error: io::Error| in_words(path, &error);
        sys::make_private_directories(path).map_err(refused)?;
        // All later calls use the real path, which contains no links.
        let real = path.canonicalize().map_err(refused)?;
        refuse_replaceable(&real)?;
        let found = fs::metadata(&real).map_err(refused)?;
        if !sys::is_own(&found) {
            return Err(refused(sys::of_another_user(sys::owner_of(&found))));
        }
        if sys::others_may_write(&found) {
            return Err(refused(open_to_others()));
        }
        Ok(Self(real))
    }

    /// Calls `copy` with the directory of the entry. If the entry does not exist, `fill` fills a new one first.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses a file operation, `fill` or `copy` fails, or the deadline passes.
    pub(super) fn with<E: From<io::Error>>(
        &self,
        name: &str,
        program: &Path,
        deadline: Deadline,
        mut fill: impl FnMut(File) -> Result<(), E>,
        copy: impl FnOnce(File) -> Result<(), E>,
    ) -> Result<(), E> {
        let entry = self.0.join(name);
        let lock = self.lock(name);
        loop {
            let shared = FileLock::take_with_others(&lock, deadline)?;
            if let Some(opened) = self.open_entry(name)? {
                // `sweep` removes the entries first whose locks were touched least recently.
                shared.touch();
                return copy(opened);
            }
            drop(shared);
            let alone = FileLock::take(&lock, deadline)?;
            if self.open_entry(name)?.is_none() {
                // The empty lock file marks the entry as absent, even if a kill interrupts the removal.
                alone.write("")?;
                remove(&entry)?;
                let size = self.make(name, &mut fill)?;
                alone.write(&format!("{size} {}", program.display()))?;
            }
        }
    }

    /// Opens an entry. Returns `None` if the entry is absent or incomplete. The caller holds the lock of the entry.
    fn open_entry(&self, name: &str) -> io::Result<Option<File>> {
        let opened = match sys::open_directory(&self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let noted = noted(&self.lock(name)).map(|(size, _)| size);
        Ok((noted == Some(sys::size_of_tree(&opened)?)).then_some(opened))
    }

    /// Makes an entry, and returns its size. The caller holds the exclusive lock of the entry.
    fn make<E: From<io::Error>>(
        &self,
        name: &str,
        fill: &mut impl FnMut(File) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.sweep(name);
        let new = self.0.join(format!("{name}.new"));
        // An earlier process may have left an incomplete directory.
        remove(&new)?;
        sys::make_private_directory(&new)?;
        let made = sys::open_directory(&new)
            .map_err(E::from)
            .and_then(&mut *fill);
        if let Err(error) = made {
            let _ = remove(&new);
            return Err(error);
        }
        let size = sys::size_of_tree(&sys::open_directory(&new)?)?;
        fs::rename(new, self.0.join(name))?;
        Ok(size)
    }

    /// Removes the entries of programs that no longer exist, and surplus entries, the least recently used first. Skips
    /// entries that another process is copying.
    fn sweep(&self, name: &str) {
        let listed = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let locks = listed.map(|entry| entry.path());
        let locks = locks.filter(|path| is_lock_of_entry(path));
        let mut known: Vec<_> = locks
            .filter(|path| *path != self.lock(name))
            .filter_map(|path| Some((sys::changed_at(&fs::metadata(&path).ok()?).0, path)))
            .collect();
        known.sort();
        let surplus = (known.len() + 1).saturating_sub(MAX_ENTRIES);
        for (index, (_, lock)) in known.into_iter().enumerate() {
            let is_gone = noted(&lock).is_none_or(|(_, program)| !program.exists());
            if index < surplus || is_gone {
                // After an error, the next process that makes an entry tries again.
                let _ = remove_entry(&lock);
            }
        }
    }

    fn lock(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.lock"))
    }
}

/// Fails if another user could replace this directory, or one of its parents, by another directory.
fn refuse_replaceable(path: &Path) -> Result<(), String> {
    for (path, found) in path
        .ancestors()
        .filter_map(|path| Some((path, fs::metadata(path).ok()?)))
    {
        if !sys::is_own_or_roots(&found) {
            return Err(in_words(path, &sys::of_another_user(sys::owner_of(&found))));
        }
        if sys::others_may_replace_in(&found) {
            return Err(in_words(path, &open_to_others()));
        }
    }
    Ok(())
}

fn open_to_others() -> io::Error {
    io::Error::other("other users may write to it")
}

fn in_words(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Returns whether a file is the lock of an entry. The directory may hold other files of the user.
fn is_lock_of_entry(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_suffix(".lock"));
    let hash = name.and_then(|name| name.rsplit_once('-'));
    hash.is_some_and(|(_, hash)| {
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Returns the size of an entry and the path of its program. Returns `None` if the entry is incomplete.
fn noted(lock: &Path) -> Option<(u64, PathBuf)> {
    let noted = fs::read_to_string(lock).ok()?;
    let (size, program) = noted.split_once(' ')?;
    Some((size.parse().ok()?, program.into()))
}

fn remove_entry(lock: &Path) -> io::Result<()> {
    let Some(alone) = FileLock::try_take_alone(lock)? else {
        return Ok(());
    };
    // The empty lock file marks the entry as absent, even if a kill interrupts the removal.
    alone.write("")?;
    remove(&lock.with_extension(""))?;
    remove(&lock.with_extension("new"))?;
    // The lock is still held, so no other process can lock a file that is about to be removed.
    fs::remove_file(lock)
}

/// Removes a directory, if it exists.
fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    fn cache() -> (tempfile::TempDir, Entries) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let entries = Entries(home.path().to_owned());
        (home, entries)
    }

    fn fill(entries: &Entries, name: &str, program: &str, made: &Cell<u32>) -> io::Result<()> {
        let deadline = Deadline::after(Duration::from_secs(20));
        let fill = |new: File| {
            made.set(made.get() + 1);
            sys::append_in(&new, "file", Some(sys::Access::Private)).map(drop)
        };
        let copy = |opened: File| {
            assert!(!sys::is_empty(&opened)?);
            Ok(())
        };
        entries.with(name, program.as_ref(), deadline, fill, copy)
    }

    #[test]
    fn an_entry_is_made_once_and_copied_often() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        for _ in 0..3 {
            fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        }
        assert_eq!(made.get(), 1);
        assert!(!home.path().join("pg.new").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_of_an_entry_is_noted_at_its_lock() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        let fill = || fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        fill();
        let lock = home.path().join("pg.lock");
        let mut touch = std::process::Command::new("touch");
        let touched = touch.args(["-t", "200001010000"]).arg(&lock).status();
        assert!(touched.expect("coreutils").success());
        let changed = || fs::metadata(&lock).and_then(|found| found.modified());
        let before = changed().expect("own file");
        fill();
        assert!(changed().expect("own file") > before && made.get() == 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_an_entry_is_refused_and_stays() {
        let (home, entries) = cache();
        let link = home.path().join("pg");
        std::os::unix::fs::symlink(home.path(), &link).expect("own directory");
        let made = Cell::new(0);
        assert!(fill(&entries, "pg", "/bin/sh", &made).is_err());
        assert!(link.is_symlink() && made.get() == 0);
    }

    #[test]
    fn a_file_in_place_of_a_directory_is_not_removed() {
        let (home, _) = cache();
        let path = home.path().join("pg");
        assert!(remove(&path).is_ok());
        fs::write(&path, "").expect("own directory");
        assert!(remove(&path).is_err() && path.exists());
    }

    #[test]
    fn an_incomplete_entry_is_made_again() {
        let (home, entries) = cache();
        fs::create_dir(home.path().join("pg.new")).expect("own directory");
        fs::write(home.path().join("pg.new/part"), "").expect("own directory");
        let made = Cell::new(0);
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        assert!(!home.path().join("pg/part").exists());
        let deadline = Deadline::after(Duration::from_secs(20));
        let fails = |_| Err(io::Error::other("no room"));
        let copied = entries.with("other", "/bin/sh".as_ref(), deadline, fails, |_| Ok(()));
        assert_eq!(copied.expect_err("the fill fails").to_string(), "no room");
        assert!(!home.path().join("other").exists() && !home.path().join("other.new").exists());
    }

    #[test]
    fn an_entry_that_a_crash_truncated_is_made_again() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        fs::write(home.path().join("pg/file"), "other content").expect("own directory");
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        assert_eq!(made.get(), 2);
        assert_eq!(
            fs::read(home.path().join("pg/file")).expect("the entry has this file"),
            b""
        );
    }

    #[test]
    fn entries_of_lost_programs_and_surplus_ones_are_removed() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        let lost = format!("lost-{:016x}", 1);
        fill(&entries, &lost, "/no/such/program", &made).expect("own directory");
        for number in 0..MAX_ENTRIES + 3 {
            let name = format!("pg-{number:016x}");
            fill(&entries, &name, "/bin/sh", &made).expect("own directory");
        }
        let exists = |name: &str| home.path().join(name).exists();
        assert!(!exists(&lost) && !exists(&format!("{lost}.lock")));
        let listed = fs::read_dir(home.path()).expect("own directory");
        let directories = listed.flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(directories.count(), MAX_ENTRIES);
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_was_used_again_is_not_surplus() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        // Of two entries of the same moment, the first in the order of names is removed.
        let old = format!("pg-{:016x}", u64::MAX);
        fill(&entries, &old, "/bin/sh", &made).expect("own directory");
        let lock = File::options().write(true).open(entries.lock(&old));
        let set = lock.and_then(|lock| lock.set_modified(std::time::UNIX_EPOCH));
        set.expect("own file");
        let name = |number: usize| format!("pg-{number:016x}");
        for number in 1..MAX_ENTRIES {
            fill(&entries, &name(number), "/bin/sh", &made).expect("own directory");
        }
        fill(&entries, &old, "/bin/sh", &made).expect("own directory");
        fill(&entries, &name(MAX_ENTRIES), "/bin/sh", &made).expect("own directory");
        let exists = |name: &str| home.path().join(name).exists();
        assert!(exists(&old) && !exists(&name(1)));
    }

    #[test]
    fn files_of_other_programs_are_not_removed() {
        let (home, entries) = cache();
        for number in 0..=MAX_ENTRIES {
            let name = home.path().join(format!("Cargo-{number}.lock"));
            fs::write(&name, "its own text").expect("own directory");
            fs::create_dir(name.with_extension("")).expect("own directory");
        }
        let made = Cell::new(0);
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        let listed = fs::read_dir(home.path()).expect("own directory");
        // The entry and its lock are two more files.
        assert_eq!(listed.count(), 2 * (MAX_ENTRIES + 1) + 2);
    }

    #[test]
    fn an_entry_that_lost_an_empty_file_is_made_again() {
        let (home, entries) = cache();
        let made = Cell::new(0);
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        fs::remove_file(home.path().join("pg/file")).expect("the entry has this file");
        fill(&entries, "pg", "/bin/sh", &made).expect("own directory");
        assert_eq!(made.get(), 2);
    }

    #[test]
    fn a_directory_that_others_can_replace_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (home, _) = cache();
        let shared = home.path().join("shared");
        let path = shared.join("cache");
        fs::create_dir_all(&path).expect("own directory");
        assert!(Entries::at(&path).is_ok());
        let mode = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&shared, mode).expect("own directory");
        let refused = Entries::at(&path).err();
        assert!(refused.is_some_and(|why| why.contains("shared: other users may write to it")));
    }
}
