//! Works with directories by `O_PATH` descriptors, which keep referring to the directory that was found, even if
//! another file has its name by now.

use std::ffi::CStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::sys::identity_of;
use crate::sys::posix::directories::OPEN;

/// The flags to open a name only to refer to it.
const REFER: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Opens a directory in this one, unless something is mounted there.
pub(in crate::sys) fn open_below(at: &File, name: &CStr) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(OPEN);
    match openat2(at, name, how.resolve(ResolveFlag::RESOLVE_NO_XDEV)) {
        // A sandbox may not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(at, name, OPEN, Mode::empty()),
        opened => opened,
    }
}

/// Gives the owner all rights to a directory, if it may have this owner and this mode.
pub(in crate::sys) fn open_up(
    at: impl AsFd,
    name: &CStr,
    may_be: impl Fn(u32, u32) -> bool,
) -> nix::Result<()> {
    let found = openat(at, name, REFER | OFlag::O_DIRECTORY, Mode::empty())?;
    let facts = fstat(&found)?;
    if !may_be(facts.st_uid, facts.st_mode) {
        return Err(Errno::EACCES);
    }
    let opened = fs::set_permissions(path_of(&found), Permissions::from_mode(0o700));
    opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

/// Gives the directory at this path to another user, if this user still owns it. If this user has put a link in its
/// place, gives that link away instead, unless the link has another name too.
pub(crate) fn hand_over(directory: &File, path: &Path, user: u32, group: u32) -> io::Result<()> {
    let found = File::from(open(path, REFER, Mode::empty())?);
    let (own, now) = (directory.metadata()?, found.metadata()?);
    let is_same = identity_of(&own) == identity_of(&now);
    let is_link = now.is_symlink() && now.nlink() == 1;
    if now.uid() == crate::sys::user() && (is_same || is_link) {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        fchownat(&found, "", Some(user), Some(group), AtFlags::AT_EMPTY_PATH)?;
    }
    Ok(())
}

/// Returns a path to this open file, which works even if the file has another name by now.
pub(super) fn path_of(opened: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", opened.as_raw_fd()).into()
}

/// Opens a directory below this one only to refer to it. Follows no link on the path.
pub(super) fn refer_below(directory: &Path, below: &Path) -> nix::Result<OwnedFd> {
    let flags = REFER | OFlag::O_DIRECTORY;
    let root = open(directory, flags, Mode::empty());
    let mut names = below.iter();
    names.try_fold(root?, |here, name| {
        openat(&here, name, flags, Mode::empty())
    })
}
