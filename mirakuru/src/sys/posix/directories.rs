//! Works in directories that another user may own and change meanwhile. Every step starts from an open directory and
//! takes one name at a time, so that no link leads elsewhere.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::libc;
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::sys;

/// The flags to open a directory in order to list and change it.
pub(in crate::sys) const OPEN: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// The number of attempts to remove a tree that another process changes meanwhile.
const TRIES: usize = 3;
/// The most names of a path that an error shows.
const SHOWN: usize = 8;

/// Opens the directory at this path, without following a link there. If the directory is closed and belongs to this
/// user, gives its owner all rights first.
pub(crate) fn open_directory(path: &Path) -> io::Result<File> {
    let open = || openat(AT_FDCWD, path, OPEN, Mode::empty());
    let opened = open().or_else(|error| {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| error)?;
        open_up(AT_FDCWD, &path, |owner, _| owner == sys::user(), error)?;
        open()
    });
    Ok(opened?.into())
}

/// Returns the value that keeps a directory removable: the open directory.
#[inline]
pub(crate) fn keep_open(directory: File) -> io::Result<File> {
    Ok(directory)
}

/// Returns whether the directory is empty.
pub(crate) fn is_empty(directory: &File) -> io::Result<bool> {
    Ok(entries(directory)?.is_empty())
}

/// Opens a directory in this one, without following a link.
#[cfg(feature = "services")]
pub(crate) fn open_directory_in(directory: &File, name: &str) -> io::Result<File> {
    Ok(openat(directory, name, OPEN, Mode::empty())?.into())
}

/// Removes an empty directory.
#[inline]
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    std::fs::remove_dir(path)
}

/// The users who may read and write a new file.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Access {
    /// Only the user of this process.
    Private = 0o600,
    /// All users whom the umask of this process leaves.
    Common = 0o666,
}

/// Opens a file of this name in the directory, to append to it. With a `new` access, makes the file, and fails if the
/// name already exists.
pub(crate) fn append_in(directory: &File, name: &str, new: Option<Access>) -> io::Result<File> {
    let append = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = new.map_or(0, |access| access as u16);
    let new = new.map_or(OFlag::empty(), |_| OFlag::O_CREAT | OFlag::O_EXCL);
    let mode = Mode::from_bits_truncate(mode.into());
    Ok(openat(directory, name, append | new, mode)?.into())
}

/// Removes everything in a directory that can be removed, with few descriptors however deep it is. Crosses no mount. In
/// a directory of another user, enters only directories of that user. If this process has made the directory, it also
/// enters those in it that this user has made and that the other user could not have moved there.
///
/// # Errors
///
/// Returns an error that names the first path that stays, and the reason.
pub(crate) fn empty(directory: &File, is_own_make: bool) -> io::Result<()> {
    let mut tries = (0..TRIES).map(|_| {
        let mut walk = Walk {
            is_own_make,
            here: directory.try_clone()?,
            levels: Vec::new(),
            stays: None,
        };
        give_rights(directory)?;
        walk.enter(CString::default(), directory.try_clone()?)?;
        while walk.step()? {}
        walk.stays.map_or(Ok(()), Err)
    });
    let is_moved = |ended: &io::Result<()>| matches!(ended, Err(error) if error.kind() == MOVED);
    let moved = || {
        Err(io::Error::new(
            MOVED,
            "another process moves directories in it",
        ))
    };
    tries.find(|ended| !is_moved(ended)).unwrap_or_else(moved)
}

/// The kind of the error for a directory that was moved during the walk.
const MOVED: io::ErrorKind = io::ErrorKind::ResourceBusy;

/// A walk that removes a tree. It goes up by `..`, so it needs no descriptor for each level.
struct Walk {
    is_own_make: bool,
    here: File,
    /// The levels from the root to `here`.
    levels: Vec<Level>,
    stays: Option<io::Error>,
}

/// A directory on the path of the walk.
struct Level {
    name: CString,
    identity: (u64, u64),
    owner: u32,
    /// The entries that are still to be removed from it.
    entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) name: CString,
    pub(super) is_directory: bool,
}

impl Walk {
    fn step(&mut self) -> io::Result<bool> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(false);
        };
        match level.entries.pop() {
            Some(Entry { name, is_directory }) if is_directory => {
                let entered = self.open(&name);
                let entered = entered.and_then(|opened| self.enter(name.clone(), opened));
                self.note(&name, entered);
            }
            Some(Entry { name, .. }) => self.remove(&name, UnlinkatFlags::NoRemoveDir),
            None => self.leave()?,
        }
        Ok(true)
    }

    fn enter(&mut self, name: CString, directory: File) -> io::Result<()> {
        let found = directory.metadata()?;
        self.levels.push(Level {
            name,
            identity: sys::identity_of(&found),
            owner: found.uid(),
            entries: entries(&directory)?,
        });
        self.here = directory;
        Ok(())
    }

    /// Removes the current directory, which is empty by now, from its parent.
    fn leave(&mut self) -> io::Result<()> {
        let emptied = self.levels.pop();
        let (Some(emptied), Some(above)) = (emptied, self.levels.last()) else {
            return Ok(());
        };
        let up = File::from(openat(&self.here, "..", OPEN, Mode::empty())?);
        // The parent is another one if the directory was moved.
        if sys::identity_of(&up.metadata()?) != above.identity {
            return Err(MOVED.into());
        }
        self.here = up;
        self.remove(&emptied.name, UnlinkatFlags::RemoveDir);
        Ok(())
    }

    fn remove(&mut self, name: &CStr, what: UnlinkatFlags) {
        let removed = unlinkat(&self.here, name, what);
        self.note(name, removed.map_err(io::Error::from));
    }

    fn note(&mut self, name: &CStr, ended: io::Result<()>) {
        let Err(error) = ended else { return };
        // Another process has removed it, or something in it stays, which was noted before.
        if error.kind() == io::ErrorKind::NotFound || self.stays.is_some() {
            return;
        }
        let above = self.levels.iter().skip(1);
        let mut names = above.map(|level| as_os_str(&level.name));
        let mut path: PathBuf = names.by_ref().take(SHOWN).collect();
        if names.next().is_some() {
            path.push("…");
        }
        let path = path.join(as_os_str(name));
        let reported = format!("{}: {error}", path.display());
        self.stays = Some(io::Error::new(error.kind(), reported));
    }

    /// Opens a directory in this one, and gives its owner all rights to it.
    fn open(&self, name: &CStr) -> io::Result<File> {
        let opened = sys::open_below(&self.here, name).or_else(|error| {
            let may_be = |owner, mode| self.may_enter(owner, mode);
            open_up(&self.here, name, may_be, error)?;
            sys::open_below(&self.here, name)
        });
        let opened = File::from(opened?);
        let found = opened.metadata()?;
        if !self.may_enter(found.uid(), found.mode()) {
            return Err(sys::of_another_user(found.uid()));
        }
        give_rights(&opened)?;
        Ok(opened)
    }

    /// Returns whether to enter a directory in this one with this owner and this mode. A user can move a directory only
    /// with the right to write to it.
    fn may_enter(&self, owner: u32, mode: u32) -> bool {
        let own = sys::user();
        let here = self.levels.last().map_or(own, |level| level.owner);
        let is_put_there = self.is_own_make && self.levels.len() == 1 && mode & 0o022 == 0;
        here == own || owner == here || (owner == own && is_put_there)
    }
}

/// Gives the owner all rights to an open directory.
fn give_rights(directory: &File) -> io::Result<()> {
    if directory.metadata()?.mode() & 0o700 == 0o700 {
        return Ok(());
    }
    directory.set_permissions(Permissions::from_mode(0o700))
}

/// Gives the owner all rights to a directory that could not be opened for this reason, if the directory may have this
/// owner and this mode.
fn open_up(
    at: impl AsFd,
    name: &CStr,
    may_be: impl Fn(u32, u32) -> bool,
    error: Errno,
) -> nix::Result<()> {
    match error {
        Errno::EACCES => sys::open_up(at, name, may_be),
        _ => Err(error),
    }
}

/// Lists a directory.
pub(super) fn entries(directory: &File) -> io::Result<Vec<Entry>> {
    let mut listing = Dir::openat(directory, ".", OPEN, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let is_directory = entry.file_type().map_or_else(
            || is_directory(directory, name),
            |kind| kind == Type::Directory,
        );
        entries.push(Entry {
            name: name.to_owned(),
            is_directory,
        });
    }
    Ok(entries)
}

/// Returns whether this name is that of a directory. Some file systems do not list the kinds of their files.
fn is_directory(at: &File, name: &CStr) -> bool {
    let found = fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| kind(found.st_mode) == SFlag::S_IFDIR)
}

pub(super) fn kind(mode: libc::mode_t) -> SFlag {
    SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits())
}

fn as_os_str(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::mkdirat;

    use super::*;

    fn opened(home: &tempfile::TempDir) -> File {
        open_directory(home.path()).expect("own directory")
    }

    #[test]
    fn a_tree_deeper_than_any_path_or_limit_is_removed() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut here = opened(&home);
        // The longest path has 4096 bytes, and most limits on open files are lower.
        for _ in 0..2100 {
            mkdirat(&here, "d", Mode::S_IRWXU).expect("own directory");
            append_in(&here, "file", Some(Access::Private)).expect("own directory");
            here = openat(&here, "d", OPEN, Mode::empty()).expect("own").into();
        }
        empty(&opened(&home), true).expect("all of it can be removed");
        assert!(is_empty(&opened(&home)).expect("own directory"));
    }

    #[test]
    fn link_targets_stay_and_closed_directories_are_removed() {
        let [home, beside] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(beside.path().join("closed")).expect("own directory");
        let close = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("own directory");
        };
        close(&beside.path().join("closed"), 0o500);
        symlink(beside.path(), home.path().join("link")).expect("own directory");
        fs::create_dir_all(home.path().join("a/b")).expect("own directory");
        fs::write(home.path().join("a/b/file"), "text").expect("own directory");
        close(&home.path().join("a/b"), 0);
        close(&home.path().join("a"), 0o500);
        close(home.path(), 0o711);
        empty(&opened(&home), true).expect("all of it can be removed");
        assert!(is_empty(&opened(&home)).expect("own directory"));
        let left = fs::metadata(home.path()).expect("it stays");
        assert_eq!(left.mode() & 0o777, 0o711);
        let closed = fs::metadata(beside.path().join("closed")).expect("it stays");
        assert_eq!(closed.mode() & 0o777, 0o500);
        assert!(open_directory(&home.path().join("none")).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_appended_to() {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::write(home.path().join("file"), "").expect("own directory");
        symlink("file", home.path().join("link")).expect("own directory");
        append_in(&opened(&home), "file", None).expect("own file");
        append_in(&opened(&home), "link", None).expect_err("it is a link");
    }

    #[test]
    fn a_file_system_without_kinds_lists_directories_too() {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::write(home.path().join("file"), "").expect("own directory");
        fs::create_dir(home.path().join("directory")).expect("own directory");
        symlink("directory", home.path().join("link")).expect("own directory");
        let is_directory = |name| is_directory(&opened(&home), name);
        let found = [c"directory", c"file", c"link", c"none"].map(is_directory);
        assert_eq!(found, [true, false, false, false]);
    }

    /// Returns the report of a file that stays in a tree with this many directories on its path.
    fn report(depth: usize) -> String {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut walk = Walk {
            is_own_make: true,
            here: opened(&home),
            levels: Vec::new(),
            stays: None,
        };
        for level in 0..=depth {
            let name = CString::new(level.to_string()).expect("a number");
            walk.enter(name, opened(&home)).expect("own directory");
        }
        walk.note(c"file", Err(io::ErrorKind::PermissionDenied.into()));
        walk.stays
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn the_report_of_a_file_that_stays_shows_eight_directories() {
        for (depth, path) in [
            (0, "file"),
            (2, "1/2/file"),
            (8, "1/2/3/4/5/6/7/8/file"),
            (9, "1/2/3/4/5/6/7/8/…/file"),
        ] {
            assert_eq!(report(depth), format!("{path}: permission denied"));
        }
    }
}
