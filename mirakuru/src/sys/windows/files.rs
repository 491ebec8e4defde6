//! Opens, locks and compares files.
//!
//! The files below a user's directory for temporary files belong to that user, so nothing here checks the owner of a
//! file.
#![expect(unsafe_code, reason = "calls of the system")]

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DIR_NOT_EMPTY, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION,
    ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, GetFileInformationByHandle, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::process::{code_of, succeeded};
use crate::wait::{self, Deadline};

/// Another user. On Windows there is never one.
pub(crate) type OtherUser<'a> = (u32, &'a [u32]);

/// The time that a removed file may keep its name, because another process still has it open.
pub(super) const REMOVAL: Duration = Duration::from_secs(2);

/// Retries while another process is removing a file of this name, or has it open exclusively for a moment.
pub(super) fn unless_in_removal<T>(act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    unless_in_removal_until(Deadline::after(REMOVAL), act)
}

pub(super) fn unless_in_removal_until<T>(
    deadline: Deadline,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if is_in_removal(&error) && !deadline.has_passed() => {
                wait::pause(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

fn is_in_removal(error: &io::Error) -> bool {
    let code = code_of(error);
    // A directory is not empty as long as a file that was removed from it is open.
    matches!(
        code,
        Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_DIR_NOT_EMPTY)
    )
}

/// Opens a file of this user, and makes it if it is missing. Does not follow a link.
pub(crate) fn open_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    let file = unless_in_removal(|| options.open(path))?;
    if is_link(&file.metadata()?) {
        return Err(io::Error::other("it is a link"));
    }
    Ok(file)
}

fn is_link(found: &Metadata) -> bool {
    found.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0
}

/// A file with a lock on it. Dropping this releases the lock.
#[derive(Debug)]
pub(crate) struct LockedFile(File);

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut at = locked_byte();
        // SAFETY: the file is open.
        unsafe { UnlockFileEx(self.0.as_raw_handle(), 0, 1, 0, &raw mut at) };
    }
}

/// Returns the byte that is locked. It is far after all text, as other processes cannot read a locked byte.
fn locked_byte() -> OVERLAPPED {
    let mut at = OVERLAPPED::default();
    at.Anonymous.Anonymous.OffsetHigh = 1 << 30;
    at
}

/// Locks a file, unless another open file has a lock on it.
pub(crate) fn try_lock(file: File) -> io::Result<Option<LockedFile>> {
    try_lock_by(file, LOCKFILE_EXCLUSIVE_LOCK)
}

/// Takes a shared lock on a file, unless another open file has an exclusive lock on it.
pub(crate) fn try_lock_with_others(file: File) -> io::Result<Option<LockedFile>> {
    try_lock_by(file, 0)
}

fn try_lock_by(file: File, how: u32) -> io::Result<Option<LockedFile>> {
    let (mut at, how) = (locked_byte(), how | LOCKFILE_FAIL_IMMEDIATELY);
    // SAFETY: the file is open, and without a wait the call has ended with its return.
    let locked = succeeded(unsafe { LockFileEx(file.as_raw_handle(), how, 0, 1, 0, &raw mut at) });
    match locked {
        Ok(()) => Ok(Some(LockedFile(file))),
        Err(error) => match code_of(&error) {
            Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Takes the lock of a directory. Returns `None` if another process holds it, or is removing the directory.
///
/// The lock is on a file next to the directory. A directory itself cannot be locked, and it cannot be removed while a
/// file in it is open.
pub(crate) fn lock_directory(
    path: &Path,
    by: impl Fn(File) -> io::Result<Option<LockedFile>>,
) -> io::Result<Option<LockedFile>> {
    let locked = match open_private_file(&file_beside(path)).and_then(by) {
        // Another process has removed the file, and still has it open.
        Err(error) if is_in_removal(&error) => None,
        locked => locked?,
    };
    Ok(locked.filter(|_| path.is_dir()))
}

/// Returns the file whose lock is that of the directory. The directory's name contains no dot.
fn file_beside(directory: &Path) -> PathBuf {
    directory.with_extension("lock")
}

/// Removes a directory on which [`lock_directory`] takes locks, with all its contents.
pub(crate) fn remove_lockable(path: &Path) -> io::Result<()> {
    let removed = unless_in_removal(|| fs::remove_dir_all(path));
    // The file is removed after the directory, so that a process that takes the lock finds no directory.
    let _ = fs::remove_file(file_beside(path));
    removed
}

/// Closes a locked file. Processes do not fork on Windows, so it is never a copy.
pub(crate) fn close_copy(file: LockedFile) {
    drop(file);
}

/// Returns the volume and the number of a file.
fn identity_of(file: &File) -> io::Result<(u32, u64)> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the file is open, and the call writes one structure to the given address.
    succeeded(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) })?;
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok((found.dwVolumeSerialNumber, number))
}

fn identity_at(path: &Path, follow: bool) -> io::Result<(u32, u64)> {
    let link = if follow {
        0
    } else {
        FILE_FLAG_OPEN_REPARSE_POINT
    };
    let mut options = OpenOptions::new();
    options
        .access_mode(0)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | link);
    identity_of(&options.open(path)?)
}

/// Returns whether this is the file that the path leads to.
pub(crate) fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    Ok(identity_at(path, true)? == identity_of(file)?)
}

/// Returns whether the path itself is this file, and not a link to it.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let is_same = || io::Result::Ok(identity_at(path, false)? == identity_of(file)?);
    is_same().unwrap_or(false)
}

/// Opens a file for reading or appending. Appending makes a missing file.
pub(crate) fn open_stream(
    path: &Path,
    _other: Option<OtherUser<'_>>,
    to_read: bool,
) -> io::Result<File> {
    let mut options = OpenOptions::new();
    if to_read {
        options.read(true);
    } else {
        options.append(true).create(true);
    }
    options.open(path)
}

/// Opens a regular file to read it.
pub(crate) fn open_regular_file(path: &Path, _other: Option<OtherUser<'_>>) -> io::Result<File> {
    let file = File::open(path)?;
    let is_regular = file.metadata()?.is_file();
    is_regular
        .then_some(file)
        .ok_or_else(|| io::Error::other("it is not a regular file"))
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path, _other: Option<OtherUser<'_>>) -> io::Result<()> {
    match unless_in_removal(|| fs::remove_file(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns a fixed number, as the user of this process has no number.
pub(crate) fn user() -> u32 {
    1
}

/// Returns `false`: a process of an administrator does not have the rights of other users by itself.
pub(crate) fn is_root() -> bool {
    false
}

/// Returns the user of this process.
pub(crate) fn owner_of(_found: &Metadata) -> u32 {
    user()
}

pub(crate) fn is_own(_found: &Metadata) -> bool {
    true
}

pub(crate) fn of_another_user(user: u32) -> io::Error {
    io::Error::new(
        ErrorKind::PermissionDenied,
        format!("it belongs to another user ({user})"),
    )
}

pub(crate) fn is_open_to_others(_found: &Metadata) -> bool {
    false
}

pub(crate) fn others_may_write(_found: &Metadata) -> bool {
    false
}

/// Returns whether it is a file: the system decides by its name and its contents alone.
pub(crate) fn may_be_executed(found: &Metadata) -> bool {
    found.is_file()
}

/// A time in units of 100 ns, and a zero.
pub(crate) type FileTime = (i64, i64);

/// Returns when a file was changed.
pub(crate) fn changed_at(found: &Metadata) -> FileTime {
    (
        i64::try_from(found.last_write_time()).unwrap_or(i64::MAX),
        0,
    )
}

/// Returns when a file was read.
pub(crate) fn accessed_at(found: &Metadata) -> FileTime {
    (
        i64::try_from(found.last_access_time()).unwrap_or(i64::MAX),
        0,
    )
}

/// Does nothing: the ready-made services, whose cache has such files, exist only on Unix.
#[cfg(feature = "services")]
#[allow(clippy::unnecessary_wraps, reason = "the contract")]
pub(crate) fn touch(_file: &File) -> io::Result<()> {
    Ok(())
}
