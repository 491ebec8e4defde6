//! Checks the owner, the access rights and the identity of files, and makes files and directories that only the user
//! may access.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::geteuid;

/// Returns the user whose rights this process has.
pub(crate) fn user() -> u32 {
    geteuid().as_raw()
}

/// Returns whether this process has the rights of all users.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// Returns the user who owns a file.
pub(crate) fn owner_of(found: &Metadata) -> u32 {
    found.uid()
}

/// Returns whether the user of this process owns a file.
pub(crate) fn is_own(found: &Metadata) -> bool {
    found.uid() == user()
}

/// Returns whether the user of this process, or root, owns a file.
#[cfg(feature = "services")]
pub(crate) fn is_own_or_roots(found: &Metadata) -> bool {
    [0, user()].contains(&found.uid())
}

pub(crate) fn of_another_user(user: u32) -> io::Error {
    let reported = format!("it belongs to another user (uid {user})");
    io::Error::new(io::ErrorKind::PermissionDenied, reported)
}

/// Returns whether other users have any right to a file.
pub(crate) fn is_open_to_others(found: &Metadata) -> bool {
    found.mode() & 0o077 != 0
}

/// Returns whether other users may write to a file.
pub(crate) fn others_may_write(found: &Metadata) -> bool {
    found.mode() & 0o022 != 0
}

/// Returns whether other users may replace a file in this directory.
#[cfg(feature = "services")]
pub(crate) fn others_may_replace_in(directory: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    // Many systems give each user a group, and let that group write.
    let is_own_group = [0, nix::unistd::getegid().as_raw()].contains(&directory.gid());
    let others = if is_own_group { 0o002 } else { 0o022 };
    directory.mode() & STICKY == 0 && directory.mode() & others != 0
}

/// Returns whether a user may execute the file.
pub(crate) fn may_be_executed(found: &Metadata) -> bool {
    found.is_file() && found.mode() & 0o111 != 0
}

/// A time in seconds and nanoseconds.
pub(crate) type FileTime = (i64, i64);

/// Returns the time at which a file was last changed.
pub(crate) fn changed_at(found: &Metadata) -> FileTime {
    (found.mtime(), found.mtime_nsec())
}

/// Returns the time at which a file was last read.
pub(crate) fn accessed_at(found: &Metadata) -> FileTime {
    (found.atime(), found.atime_nsec())
}

/// Returns the device and the inode number of a file, which identify it under any name.
pub(in crate::sys) fn identity_of(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Returns whether this is the file that the path leads to.
pub(crate) fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let found = path.metadata()?;
    Ok(identity_of(&found) == identity_of(&file.metadata()?))
}

/// Returns whether this file is at the path itself, and not the target of a link there.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let is_same = |found| Ok(identity_of(&found) == identity_of(&file.metadata()?));
    path.symlink_metadata()
        .and_then(is_same)
        .is_ok_and(|is_same: bool| is_same)
}

/// Returns whether two open files are the same file.
pub(crate) fn is_same(one: &File, other: &File) -> io::Result<bool> {
    Ok(identity_of(&one.metadata()?) == identity_of(&other.metadata()?))
}

/// Makes a directory that only this user may enter.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a directory that only this user may enter, and its missing parents.
#[cfg(feature = "services")]
pub(crate) fn make_private_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory that other users may enter, whatever the umask is, and that only this user may change.
pub(crate) fn make_readable_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Gives a file to another user.
#[cfg(feature = "services")]
pub(crate) fn give(file: &File, user: u32, group: u32) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(user), Some(group))
}
