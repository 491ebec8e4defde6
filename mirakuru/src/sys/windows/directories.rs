//! Makes, opens and empties directories.
#![expect(unsafe_code, reason = "calls of the system")]

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::{FileTypeExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_READ,
    GetFinalPathNameByHandleW, VOLUME_NAME_DOS, VOLUME_NAME_NT,
};

use super::files::{REMOVAL, unless_in_removal, unless_in_removal_until};
use super::names::NULL_DEVICE;
use crate::wait::Deadline;

/// Makes a directory. A directory below the one for temporary files belongs to this user.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    unless_in_removal(|| fs::create_dir(path))
}

/// Makes a directory.
pub(crate) fn make_readable_directory(path: &Path) -> io::Result<()> {
    make_private_directory(path)
}

/// Opens the directory at this path. Does not follow a link at the path.
pub(crate) fn open_directory(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(FILE_GENERIC_READ);
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let opened = options.open(path)?;
    let is_directory = opened.metadata()?.is_dir();
    is_directory
        .then_some(opened)
        .ok_or_else(|| io::ErrorKind::NotADirectory.into())
}

/// Returns a placeholder for the handle that other systems keep until the directory is removed.
///
/// On Windows a directory keeps its name until the last handle is closed, so no handle of it is kept. Another user
/// cannot replace the directory.
pub(crate) fn keep_open(_directory: File) -> io::Result<File> {
    File::open(NULL_DEVICE)
}

/// Returns `true`: a directory that was made cannot have been replaced.
pub(crate) fn is_same(_one: &File, _other: &File) -> io::Result<bool> {
    Ok(true)
}

/// Returns whether the directory is empty.
pub(crate) fn is_empty(directory: &File) -> io::Result<bool> {
    Ok(fs::read_dir(path_of(directory)?)?.next().is_none())
}

/// Removes all contents of a directory that can be removed. Follows no link.
///
/// # Errors
///
/// The first entry that stays, and the reason.
pub(crate) fn empty(directory: &File, _is_own_make: bool) -> io::Result<()> {
    // One deadline for all entries, as a caller waits for the whole removal.
    let deadline = Deadline::after(REMOVAL);
    let mut stays = None;
    for entry in fs::read_dir(path_of(directory)?)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let removed = unless_in_removal_until(deadline, || {
            if kind.is_dir() {
                fs::remove_dir_all(&path)
            } else if kind.is_symlink_dir() {
                fs::remove_dir(&path)
            } else {
                remove_what_is_read_only(&path)
            }
        });
        if let Err(error) = removed {
            let name = entry.file_name();
            let reported = format!("{}: {error}", Path::new(&name).display());
            stays.get_or_insert_with(|| io::Error::new(error.kind(), reported));
        }
    }
    stays.map_or(Ok(()), Err)
}

/// Removes a directory that is empty, or will be in a moment.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    unless_in_removal(|| fs::remove_dir(path))
}

/// Removes a file, even if its maker has write-protected it.
fn remove_what_is_read_only(path: &Path) -> io::Result<()> {
    let mut rights = fs::symlink_metadata(path)?.permissions();
    if rights.readonly() {
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "the system has no modes"
        )]
        rights.set_readonly(false);
        let _ = fs::set_permissions(path, rights);
    }
    fs::remove_file(path)
}

/// Returns the path of an open directory. If the directory's volume has no letter, as some disks in memory, the path
/// begins with the device.
fn path_of(directory: &File) -> io::Result<PathBuf> {
    let path = final_path(directory, VOLUME_NAME_DOS).or_else(|_| {
        let mut path = OsString::from(r"\\?\GLOBALROOT");
        path.push(final_path(directory, VOLUME_NAME_NT)?);
        Ok::<_, io::Error>(path)
    });
    path.map(Into::into)
}

fn final_path(directory: &File, form: u32) -> io::Result<OsString> {
    let mut path = vec![0; 32 * 1024];
    let room = u32::try_from(path.len()).unwrap_or_default();
    let (raw, to) = (directory.as_raw_handle(), path.as_mut_ptr());
    // SAFETY: the handle is open, and the call writes as many characters as there is room for.
    let length = unsafe { GetFinalPathNameByHandleW(raw, to, room, form) };
    match path.get(..length as usize) {
        Some(path) if length > 0 => Ok(OsString::from_wide(path)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The access to a new file. On Windows, the directory decides.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    Private,
    Common,
}

/// Opens a file of this name in the directory, to append to it. With a `new` access, makes the file and fails if the
/// name exists.
pub(crate) fn append_in(directory: &File, name: &str, new: Option<Access>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(new.is_some());
    options.open(path_of(directory)?.join(name))
}

/// Returns `true`: no directory contains a mount.
pub(crate) fn unmount_below(_directory: &Path) -> bool {
    true
}

/// Does nothing: directories do not change their owner.
pub(crate) fn hand_over(
    _directory: &File,
    _path: &Path,
    _user: u32,
    _group: u32,
) -> io::Result<()> {
    Ok(())
}

/// Returns `None`, because Windows has no directory in memory.
#[cfg(feature = "services")]
pub(crate) fn memory() -> Option<PathBuf> {
    None
}
