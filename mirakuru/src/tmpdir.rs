//! The private directory: made for its service alone, and removed with all that is in it.
//!
//! From the start on it belongs to the service's user, who may put anything in its place. So each step here opens what
//! is at its path, follows no link, and looks at whose it is.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
#[cfg(feature = "services")]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "services")]
use std::time::Duration;

use crate::sys::{Access, Handle};
use crate::{paths, sys};

const PREFIX: &str = "mirakuru-";

/// The private directory of a service, and the one for its socket.
pub(crate) struct Private {
    main: Made,
    short: Option<Made>,
}

impl Private {
    /// Makes it below `parent`. The supervisor's name is nobody else's, so the directory's is not.
    pub(crate) fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let path = parent.join(format!("{PREFIX}{}", paths::beginning_of(name)));
        let main = loop {
            if is_shared_parent(parent) {
                make_shared_parent(parent)?;
            }
            match Made::make(path.clone()) {
                // Another process of the run has removed it with its last directory since.
                Err(error) if error.kind() == ErrorKind::NotFound && is_shared_parent(parent) => {}
                result => break result?,
            }
        };
        let short = short(&path).map(Made::make).transpose();
        let short = short.inspect_err(|_| _ = main.remove())?;
        Ok(Self { main, short })
    }

    /// Returns the directory that another process made, which has sent the handles. `None` if one is missing.
    pub(crate) fn of(path: PathBuf, handles: Vec<Handle>) -> Option<Self> {
        let mut opened = handles.into_iter().map(File::from);
        let short = short(&path);
        let main = opened.next().map(|opened| Made { path, opened })?;
        let short = short.map(|path| opened.next().map(|opened| Made { path, opened }));
        let short = short.map_or(Some(None), |short| short.map(Some))?;
        Some(Self { main, short })
    }

    fn all(&self) -> impl Iterator<Item = &Made> {
        [Some(&self.main), self.short.as_ref()]
            .into_iter()
            .flatten()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.main.path
    }

    /// Returns the handles for a process that may have to remove the directory.
    pub(crate) fn handles(&self) -> io::Result<Vec<Handle>> {
        let copies = self.all().map(|made| sys::copy_of(&made.opened));
        copies.collect()
    }

    /// Gives it to the service's user, once.
    pub(crate) fn hand_over(&self, user: u32, group: u32) {
        for made in self.all() {
            // If something else is in its place, that stays whose it is.
            let _ = sys::hand_over(&made.opened, &made.path, user, group);
        }
    }

    /// Removes it. What a service mounted there is taken off first, or what lies behind would go too; where
    /// that cannot be, the directory stays. What it protected against writing, as caches of modules do, is
    /// opened.
    ///
    /// # Errors
    ///
    /// What stays, and why.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let short = self.remove_short();
        let removed = self.main.remove();
        // If nothing of the run stays.
        let parent = self.main.path.parent();
        if let Some(parent) = parent.filter(|parent| is_shared_parent(parent)) {
            let _ = fs::remove_dir(parent);
        }
        removed.and(short)
    }

    /// Removes the directory of its socket alone.
    pub(crate) fn remove_short(&self) -> io::Result<()> {
        self.short.as_ref().map_or(Ok(()), Made::remove)
    }

    /// Copies what a service printed into its directory, for people. `number` is the service's, among
    /// those that had the directory.
    pub(crate) fn keep_output(
        &self,
        number: u64,
        captures: &mut [Option<Handle>; 2],
        copy: fn(&File, &File) -> io::Result<()>,
    ) {
        // Nobody is left to be told that it failed.
        let Ok((directory, _)) = self.main.open() else {
            return;
        };
        for (capture, stream) in captures.iter_mut().zip(["stdout", "stderr"]) {
            let Some(capture) = capture.take() else {
                continue;
            };
            // The service may have made something of this name: it is not written over.
            let name = format!("captured-{stream}-{number}.log");
            let kept = sys::append_in(&directory, &name, Some(Access::Common));
            let _ = kept.and_then(|kept| copy(&File::from(capture), &kept));
        }
    }
}

/// A directory that was made.
struct Made {
    path: PathBuf,
    /// Shows which one it is, and whose.
    opened: File,
}

impl Made {
    fn make(path: PathBuf) -> io::Result<Self> {
        // Nothing of this name may be there: another user cannot have prepared it.
        sys::make_private_directory(&path)?;
        let opened = sys::open_directory(&path).and_then(|opened| {
            // A user who may write to the parent may have put another one in its place.
            let is_new = sys::is_own(&opened.metadata()?) && sys::is_empty(&opened)?;
            if is_in_memory(&path) {
                // As long as a process has it open, it is in use.
                let locked = sys::try_lock(opened.try_clone()?)?;
                sys::close_copy(locked.ok_or(ErrorKind::ResourceBusy)?);
            }
            let opened = is_new.then_some(opened).ok_or(ErrorKind::AlreadyExists)?;
            sys::keep_open(opened)
        });
        let opened = opened.inspect_err(|_| _ = fs::remove_dir(&path))?;
        Ok(Self { path, opened })
    }

    /// Opens the directory that is at the path now, and returns whether it is this one: its owner may have made it
    /// anew.
    fn open(&self) -> io::Result<(File, bool)> {
        let found = sys::open_directory(&self.path)?;
        let is_same = sys::is_same(&self.opened, &found)?;
        let owner = sys::owner_of(&found.metadata()?);
        if is_same || owner == sys::owner_of(&self.opened.metadata()?) {
            Ok((found, is_same))
        } else {
            Err(sys::of_another_user(owner))
        }
    }

    fn remove(&self) -> io::Result<()> {
        match self.try_remove() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| {
                let reported = format!("{}: {error}", self.path.display());
                io::Error::new(error.kind(), reported)
            }),
        }
    }

    fn try_remove(&self) -> io::Result<()> {
        if !fs::symlink_metadata(&self.path)?.is_dir() {
            // The service has put it there. A link goes, and not what it leads to.
            return fs::remove_file(&self.path);
        }
        if !sys::unmount_below(&self.path) {
            return Err(io::Error::other("a mount in it cannot be taken off"));
        }
        let (found, is_same) = self.open()?;
        sys::empty(&found, is_same)?;
        drop(found);
        sys::remove_directory(&self.path)
    }
}

/// Returns the directory for all private directories in memory. It is this user's alone, so that no other user can put
/// a directory there that the sweep would take for one of them. `None` if another user has made it.
#[cfg(feature = "services")]
pub(crate) fn in_memory(memory: &Path) -> Option<PathBuf> {
    let path = memory.join(format!("{MEMORY}{}", sys::user()));
    let is_usable = match open_shared_parent(&path) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_) => true,
    };
    is_usable.then_some(path)
}

/// Removes the private directories in memory whose test and supervisor were killed together, once in each process. No
/// other program would remove them before the system ends.
#[cfg(feature = "services")]
pub(crate) fn sweep_once(memory: &Path) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.swap(true, Ordering::Relaxed) {
        sweep(memory, Duration::from_secs(60));
        // If nothing of another process is in it.
        let _ = fs::remove_dir(memory);
    }
}

/// Removes those that are older than this. A younger one is not looked at: its maker takes the lock a moment after it
/// has made the directory, and must find the lock free.
#[cfg(feature = "services")]
fn sweep(memory: &Path, age: Duration) {
    let entries = fs::read_dir(memory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let changed = path.symlink_metadata().and_then(|found| found.modified());
        let is_old = changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|past| past >= age));
        // One that its service has closed stays closed as long as it may be in use.
        let Some(opened) = is_old.then(|| File::open(&path).ok()).flatten() else {
            continue;
        };
        if let Ok(Some(_unused)) = opened.try_clone().and_then(sys::try_lock) {
            let _ = Made { path, opened }.remove();
        }
    }
}

/// The beginning of the name of the directory for all private directories in memory.
const MEMORY: &str = "mirakuru-memory-";

const KEPT: &str = "mirakuru-kept-";

/// Returns the directory for all private directories of a run that may stay.
pub(crate) fn kept(run: &str) -> PathBuf {
    sys::temporary().join(format!("{KEPT}{run}"))
}

fn is_shared_parent(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default();
    let begins = |with: &str| name.as_encoded_bytes().starts_with(with.as_bytes());
    begins(KEPT) || begins(MEMORY)
}

fn is_in_memory(path: &Path) -> bool {
    let name = path.parent().and_then(Path::file_name).unwrap_or_default();
    name.as_encoded_bytes().starts_with(MEMORY.as_bytes())
}

/// Services of other users have their directories in it too, so these may enter it.
fn make_shared_parent(directory: &Path) -> io::Result<()> {
    match sys::make_readable_directory(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            open_shared_parent(directory).map(drop)
        }
        made => made,
    }
}

/// Opens the directory for all private directories of a run, if only this user may write to it.
pub(crate) fn open_shared_parent(directory: &Path) -> io::Result<File> {
    let opened = sys::open_directory(directory)?;
    let found = opened.metadata()?;
    let is_own = sys::is_own(&found) && !sys::others_may_write(&found);
    let refused = || io::Error::from(ErrorKind::PermissionDenied);
    is_own.then_some(opened).ok_or_else(refused)
}

/// Returns the path that `{socket}` stands for. It lies in the private directory, unless that path would be too
/// long for a socket.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    let short = short(directory);
    short.as_deref().unwrap_or(directory).join(SOCKET)
}

const SOCKET: &str = "socket";

/// The directory for the socket of a private directory whose own path is too long.
fn short(directory: &Path) -> Option<PathBuf> {
    let is_private = |name: &&OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let name = directory.file_name().filter(is_private)?;
    let is_long = !sys::is_short_enough(&directory.join(SOCKET));
    is_long.then(|| Path::new(sys::SHORT_DIRECTORY).join(name))
}

#[cfg(all(test, unix, feature = "services"))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_process_is_swept_and_another_stays() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let memory = in_memory(home.path()).expect("own directory");
        let make = |name: &str| Private::make(&memory, name).expect("own directory");
        let used = make("00000000000000a1");
        let killed = make("00000000000000a2").path().to_owned();
        fs::write(killed.join("file"), "").expect("own directory");
        sweep(&memory, Duration::from_secs(3600));
        assert!(killed.exists(), "it may be new");
        // A process that another thread is starting has a copy of the lock for a moment.
        while killed.exists() {
            sweep(&memory, Duration::ZERO);
        }
        assert!(used.path().exists());
        used.remove().expect("own directory");
        assert!(!memory.exists());
    }
}
