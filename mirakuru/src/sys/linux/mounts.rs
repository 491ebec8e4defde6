//! What a service has mounted: `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

/// Takes off what is mounted below this directory, in this process's mount namespace; false where
/// something stays, so that what lies behind it would be met in there.
pub(crate) fn unmount_below(directory: &Path) -> bool {
    let mounts = mounts_below(directory);
    // The last first: it may lie within another, or on top of it.
    for mount in mounts.iter().rev() {
        // What still uses it keeps it until then.
        let _ = umount2(mount, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
    }
    mounts.is_empty() || mounts_below(directory).is_empty()
}

fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    // The kernel names mounts without symbolic links. The directory itself is not followed: a service may
    // have put a link in its place.
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Vec::new();
    };
    let Ok(directory) = parent.canonicalize().map(|parent| parent.join(name)) else {
        return Vec::new();
    };
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = table.split(|byte| *byte == b'\n');
    lines
        .filter_map(mount_point)
        .filter(|mount| mount.starts_with(&directory))
        .collect()
}

/// The fifth field of a line; spaces and their like stand in it as three octal digits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_spaces() {
        let line = br"36 35 98:0 /mnt1 /tmp/a\040b/m rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some("/tmp/a b/m".into()));
        assert_eq!(mount_point(b""), None);
    }
}
