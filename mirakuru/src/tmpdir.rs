//! Makes the private directory of a service, and removes it with all its contents.
//!
//! From the start on, the directory belongs to the service's user, and that user may replace it with anything. So each
//! step here opens the directory at its path, follows no link, and checks its owner.

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
    /// Makes the directories below `parent`. The supervisor's name is unique, and so are their names.
    pub(crate) fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let path = parent.join(format!("{PREFIX}{}", paths::beginning_of(name)));
        let is_shared = is_shared_parent(parent);
        let make = || {
            if is_shared {
                make_shared_parent(parent)?;
            }
            Made::make(path.clone())
        };
        let has_place = || parent.parent().is_some_and(Path::exists);
        let main = loop {
            match make() {
                // Another process of the run has removed the parent together with its last directory.
                Err(error) if error.kind() == ErrorKind::NotFound && is_shared && has_place() => {}
                result => break result?,
            }
        };
        let short = short(&path).map(Made::make).transpose();
        let short = short.inspect_err(|_| _ = main.remove())?;
        Ok(Self { main, short })
    }

    /// Returns the directory that another process made, from the handles that it sent. Returns `None` if a handle is
    /// missing.
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

    /// Returns copies of the handles for another process that may have to remove the directory.
    pub(crate) fn handles(&self) -> io::Result<Vec<Handle>> {
        let copies = self.all().map(|made| sys::copy_of(&made.opened));
        copies.collect()
    }

    /// Changes the owner of the directory to the service's user. It is called once.
    pub(crate) fn hand_over(&self, user: u32, group: u32) {
        for made in self.all() {
            // If another directory is at the path, its owner stays.
            let _ = sys::hand_over(&made.opened, &made.path, user, group);
        }
    }

    /// Removes the directory.
    ///
    /// Mounts that a service made in it are unmounted first, or the removal would delete their contents. If an unmount
    /// fails, the directory stays. Directories that the service write-protected, as caches of modules do, are
    /// made writable.
    ///
    /// # Errors
    ///
    /// A message that names what stays, and the reason.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let short = self.remove_short();
        let removed = self.main.remove();
        // This works only after the last directory of the run was removed.
        let parent = self.main.path.parent();
        if let Some(parent) = parent.filter(|parent| is_shared_parent(parent)) {
            let _ = fs::remove_dir(parent);
        }
        removed.and(short)
    }

    /// Removes only the directory of the socket.
    pub(crate) fn remove_short(&self) -> io::Result<()> {
        self.short.as_ref().map_or(Ok(()), Made::remove)
    }

    /// Copies the captured output of a service into its directory.
    ///
    /// `number` is the number of the service among those that used the directory.
    pub(crate) fn keep_output(
        &self,
        number: u64,
        captures: &mut [Option<Handle>; 2],
        copy: fn(&File, &File) -> io::Result<()>,
    ) {
        // A failure is ignored: no caller could report it.
        let Ok((directory, _)) = self.main.open() else {
            return;
        };
        for (capture, stream) in captures.iter_mut().zip(["stdout", "stderr"]) {
            let Some(capture) = capture.take() else {
                continue;
            };
            // The service may have made a file of this name, which is not overwritten.
            let name = format!("captured-{stream}-{number}.log");
            let kept = sys::append_in(&directory, &name, Some(Access::Common));
            let _ = kept.and_then(|kept| copy(&File::from(capture), &kept));
        }
    }
}

/// A directory that this module made.
struct Made {
    path: PathBuf,
    /// The handle that identifies the directory and its owner.
    opened: File,
}

impl Made {
    fn make(path: PathBuf) -> io::Result<Self> {
        // The call fails if the path exists, so that another user cannot prepare the directory.
        sys::make_private_directory(&path)?;
        let opened = sys::open_directory(&path).and_then(|opened| {
            // A user that may write to the parent may have replaced the directory.
            let is_new = sys::is_own(&opened.metadata()?) && sys::is_empty(&opened)?;
            if is_in_memory(&path) {
                // The lock marks the directory as in use as long as a process has it open.
                let locked = sys::try_lock(opened.try_clone()?)?;
                sys::close_copy(locked.ok_or(ErrorKind::ResourceBusy)?);
            }
            let opened = is_new.then_some(opened).ok_or(ErrorKind::AlreadyExists)?;
            sys::keep_open(opened)
        });
        let opened = opened.inspect_err(|_| _ = fs::remove_dir(&path))?;
        Ok(Self { path, opened })
    }

    /// Opens the directory that is at the path now, and returns whether it is the one that was made.
    ///
    /// The owner may have made another one at the path.
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
            // The service has put it there. A link is removed, and its target is not.
            return fs::remove_file(&self.path);
        }
        if !sys::unmount_below(&self.path) {
            return Err(io::Error::other("a mount in it cannot be unmounted"));
        }
        let (found, is_same) = self.open()?;
        sys::empty(&found, is_same)?;
        drop(found);
        sys::remove_directory(&self.path)
    }
}

/// Returns the parent of all private directories in memory, or `None` if another user has made it.
///
/// It belongs to this user alone, so that another user cannot put a directory there that the sweep would remove.
#[cfg(feature = "services")]
pub(crate) fn in_memory(memory: &Path) -> Option<PathBuf> {
    let path = memory.join(format!("{MEMORY}{}", sys::user()));
    let is_usable = match open_shared_parent(&path) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_) => true,
    };
    is_usable.then_some(path)
}

/// Removes the private directories in memory whose test and supervisor were killed together.
///
/// Each process does this once. No other program would remove them before the system shuts down.
#[cfg(feature = "services")]
pub(crate) fn sweep_once(memory: &Path) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.swap(true, Ordering::Relaxed) {
        sweep(memory, Duration::from_secs(60));
        // This works only if no other process has a directory in it.
        let _ = fs::remove_dir(memory);
    }
}

/// Removes the directories that are older than `age`.
///
/// A younger one is skipped: its maker locks it a moment after it has made the directory, and must find the lock free.
#[cfg(feature = "services")]
fn sweep(memory: &Path, age: Duration) {
    let entries = fs::read_dir(memory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let changed = path.symlink_metadata().and_then(|found| found.modified());
        let is_old = changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|past| past >= age));
        // A directory that its service made unreadable stays as long as it may be in use.
        let Some(opened) = is_old.then(|| File::open(&path).ok()).flatten() else {
            continue;
        };
        if let Ok(Some(_unused)) = opened.try_clone().and_then(sys::try_lock) {
            let _ = Made { path, opened }.remove();
        }
    }
}

/// The beginning of the name of the parent of all private directories in memory.
const MEMORY: &str = "mirakuru-memory-";

const KEPT: &str = "mirakuru-kept-";

/// Returns the parent of all private directories of a run that may stay.
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

/// Makes the shared parent. Services of other users have their directories in it, so other users may enter it.
fn make_shared_parent(directory: &Path) -> io::Result<()> {
    match sys::make_readable_directory(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            open_shared_parent(directory).map(drop)
        }
        made => made,
    }
}

/// Opens the parent of all private directories of a run, if only this user may write to it.
pub(crate) fn open_shared_parent(directory: &Path) -> io::Result<File> {
    let opened = sys::open_directory(directory)?;
    let found = opened.metadata()?;
    let is_own = sys::is_own(&found) && !sys::others_may_write(&found);
    let refused = || io::Error::from(ErrorKind::PermissionDenied);
    is_own.then_some(opened).ok_or_else(refused)
}

/// Returns the value of `{socket}`. The path is in the private directory, unless that path would be too long for a
/// socket.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    let short = short(directory);
    short.as_deref().unwrap_or(directory).join(SOCKET)
}

const SOCKET: &str = "socket";

/// Returns the directory for the socket if the path of the private directory is too long.
fn short(directory: &Path) -> Option<PathBuf> {
    let is_private = |name: &&OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let name = directory.file_name().filter(is_private)?;
    let is_long = !sys::is_short_enough(&directory.join(SOCKET));
    is_long.then(|| Path::new(sys::SHORT_DIRECTORY).join(name))
}

#[cfg(all(test, unix, feature = "services"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_shared_parent_that_others_remove_is_made_again() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let parent = home.path().join(format!("{KEPT}a-run"));
        std::thread::scope(|scope| {
            let makers = [0, 1, 2, 3].map(|thread| {
                let (name, parent) = (format!("{thread:016}"), &parent);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let made = Private::make(parent, &name).expect("own directory");
                        made.remove().expect("own directory");
                    }
                })
            });
            while makers.iter().any(|maker| !maker.is_finished()) {
                let _ = fs::remove_dir(&parent);
            }
        });
        assert!(!parent.exists());
    }

    #[test]
    fn a_shared_parent_without_a_place_is_an_error() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let parent = home.path().join("missing").join(format!("{KEPT}a-run"));
        let made = Private::make(&parent, "00000000000000a1").map(drop);
        assert_eq!(made.expect_err("no place").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_shared_parent_that_cannot_be_made_shows_the_reason() {
        // These refuse a new directory even to root.
        let mut systems = ["/sys", "/System"].map(Path::new).into_iter();
        let Some(system) = systems.find(|system| system.exists()) else {
            return;
        };
        let made = make_shared_parent(&system.join(format!("{KEPT}a-run")));
        let kind = made.expect_err("it cannot be made").kind();
        assert_ne!(kind, ErrorKind::NotFound);
    }

    #[test]
    fn a_shared_parent_that_others_may_change_is_refused() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let parent = home.path().join(format!("{KEPT}a-run"));
        fs::create_dir(&parent).expect("own directory");
        let make = |mode| {
            fs::set_permissions(&parent, fs::Permissions::from_mode(mode)).expect("own directory");
            Private::make(&parent, "00000000000000a1").map(drop)
        };
        for mode in [0o777, 0o775] {
            let refused = make(mode).expect_err("others may change it");
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        }
        make(0o755).expect("only this user may change it");
    }

    #[test]
    fn a_directory_that_its_owner_has_replaced_is_removed() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let private = Private::make(home.path(), "00000000000000a1").expect("own directory");
        let moved = home.path().join("moved");
        fs::rename(private.path(), &moved).expect("own directory");
        fs::create_dir(private.path()).expect("own directory");
        fs::write(private.path().join("file"), "").expect("own directory");
        private.remove().expect("it has the same owner");
        assert!(!private.path().exists() && moved.exists());
    }

    #[test]
    fn only_a_directory_without_a_process_is_swept() {
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

    #[test]
    fn a_process_sweeps_the_directories_in_memory_once() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let memory = in_memory(home.path()).expect("own directory");
        let make_old = || {
            let old = memory.join("mirakuru-00000000000000a1");
            fs::create_dir_all(&old).expect("own directory");
            let mut touch = std::process::Command::new("touch");
            let touched = touch.args(["-t", "200001010000"]).arg(&old).status();
            assert!(touched.expect("coreutils").success());
        };
        make_old();
        sweep_once(&memory);
        assert!(!memory.exists());
        make_old();
        sweep_once(&memory);
        assert!(memory.exists());
    }
}
