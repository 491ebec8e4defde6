//! Works with directories without descriptors that only refer to them. A name is therefore checked before the call that
//! uses it.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstatat};

use crate::sys::posix::directories::OPEN;

/// Opens a directory in this one, even if another file system is mounted there.
pub(in crate::sys) fn open_below(at: &File, name: &CStr) -> nix::Result<OwnedFd> {
    openat(at, name, OPEN, Mode::empty())
}

/// Gives the owner all rights to a directory, if it may have this owner and this mode. Follows no link.
pub(in crate::sys) fn open_up(
    at: impl AsFd,
    name: &CStr,
    may_be: impl Fn(u32, u32) -> bool,
) -> nix::Result<()> {
    let facts = fstatat(&at, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    #[allow(clippy::useless_conversion, reason = "other systems have other modes")]
    let mode = facts.st_mode.into();
    if !may_be(facts.st_uid, mode) {
        return Err(Errno::EACCES);
    }
    fchmodat(&at, name, Mode::S_IRWXU, FchmodatFlags::NoFollowSymlink)
}

/// Gives a directory to another user, if this user still owns it.
pub(crate) fn hand_over(directory: &File, _path: &Path, user: u32, group: u32) -> io::Result<()> {
    if directory.metadata()?.uid() == crate::sys::user() {
        fchown(directory, Some(user), Some(group))?;
    }
    Ok(())
}
