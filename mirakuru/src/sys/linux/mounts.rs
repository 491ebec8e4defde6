//! Unmounts the file systems that a service has mounted: `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use super::directories::{path_of, refer_below};
use crate::sys;

/// Unmounts all file systems below this directory, in this process's mount namespace. Returns `false` if a mount stays,
/// so that a removal would reach the files on it. In a directory of another user, unmounts only the mounts that the
/// other user made, as a directory with a mount in it can be moved.
pub(crate) fn unmount_below(directory: &Path) -> bool {
    let mounts = mounts_below(directory);
    if mounts.is_empty() {
        return true;
    }
    let owner = fs::symlink_metadata(directory).map(|found| found.uid());
    let is_own = owner.as_ref().is_ok_and(|owner| *owner == sys::user());
    // The last mount comes first: it may be within another one, or on top of it.
    for mount in mounts.iter().rev() {
        if is_own || mount.user == owner.as_ref().ok().copied() {
            // A process that still uses the mount keeps it until it ends.
            let _ = unmount(directory, &mount.path);
        }
    }
    mounts_below(directory).is_empty()
}

/// Unmounts the directory itself (an empty path), or a path below it. The service's user may meanwhile have put a link
/// into the path.
fn unmount(directory: &Path, below: &Path) -> nix::Result<()> {
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    match (below.parent(), below.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = refer_below(directory, parent)?;
            umount2(&path_of(&parent).join(name), flags)
        }
        _ => umount2(directory, flags),
    }
}

struct Mount {
    path: PathBuf,
    /// The user who mounted it, if that was not root (`fusermount(1)`).
    user: Option<u32>,
}

/// Returns the mounts at and below this directory, by their paths from it.
fn mounts_below(directory: &Path) -> Vec<Mount> {
    // The kernel lists mounts without symbolic links. The directory itself is not resolved: a service may have put a
    // link in its place.
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Vec::new();
    };
    let Ok(directory) = parent.canonicalize().map(|parent| parent.join(name)) else {
        return Vec::new();
    };
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = table.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let path = mount_point(line)?.strip_prefix(&directory).ok()?.to_owned();
            let user = user_of(line);
            Some(Mount { path, user })
        })
        .collect()
}

/// Returns the fifth field of a line. It contains spaces and similar bytes as three octal digits.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let written = line.split(|byte| *byte == b' ').nth(4)?;
    let mut path = Vec::with_capacity(written.len());
    let mut rest = written.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            path.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?.to_owned();
        path.push(u8::from_str_radix(&digits, 8).ok()?);
    }
    Some(OsString::from_vec(path).into())
}

/// Returns the value of the option `user_id`, which only FUSE file systems have.
fn user_of(line: &[u8]) -> Option<u32> {
    let options = std::str::from_utf8(line).ok()?.rsplit(' ').next()?;
    let mut options = options.split(',');
    options
        .find_map(|option| option.strip_prefix("user_id="))?
        .parse()
        .ok()
}

/// Returns a directory whose files are in memory, if it has enough room for a server's files (`shm_overview(7)`). A
/// container often has only 64 MiB there.
#[cfg(feature = "services")]
pub(crate) fn memory() -> Option<PathBuf> {
    const ROOM: u64 = 1 << 30;
    let directory = Path::new("/dev/shm");
    let found = nix::sys::statvfs::statvfs(directory).ok()?;
    let free = found
        .blocks_available()
        .saturating_mul(found.fragment_size());
    let is_writable = nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok();
    (free >= ROOM && is_writable).then(|| directory.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_spaces() {
        let line = br"36 35 98:0 /mnt1 /tmp/a\040b/m rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some("/tmp/a b/m".into()));
        assert_eq!(mount_point(b""), None);
    }

    #[test]
    fn the_user_of_a_mount_is_read() {
        let fuse = b"98 30 0:51 / /tmp/a rw - fuse.sshfs host: rw,user_id=1000,group_id=1000";
        assert_eq!(user_of(fuse), Some(1000));
        assert_eq!(user_of(b"36 35 98:0 / /tmp/a rw - ext3 /dev/root rw"), None);
    }
}
