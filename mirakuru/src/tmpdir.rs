//! The private directory: made for its service alone, and removed with all that is in it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys;

/// Makes it below `parent`. The supervisor's name is nobody else's, so the directory's is not.
pub(crate) fn make(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let path = parent.join(format!("mirakuru-{}", &name[..16]));
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

/// Removes it. What a service mounted there is taken off first, or what lies behind would go too; where
/// that cannot be, the directory stays. What it protected against writing, as caches of modules do, is
/// opened.
pub(crate) fn remove(path: &Path) {
    if !sys::unmount_below(path) {
        return;
    }
    if fs::remove_dir_all(path).is_err() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

/// Copies what a service printed into its directory, for people. `number` is the service's, among
/// those that had the directory.
pub(crate) fn keep_output(directory: &Path, number: u64, captures: &mut [Option<OwnedFd>; 2]) {
    for (capture, stream) in captures.iter_mut().zip(["stdout", "stderr"]) {
        let Some(capture) = capture.take() else {
            continue;
        };
        let path = directory.join(format!("captured-{stream}-{number}.log"));
        // Nobody is left to be told that it failed.
        let _ = copy(&File::from(capture), &path);
    }
}

/// The service may have made something of this name: it is not written over.
fn copy(mut from: &File, to: &Path) -> io::Result<()> {
    from.seek(SeekFrom::Start(0))?;
    let mut to = File::create_new(to)?;
    io::copy(&mut from, &mut to).map(drop)
}

fn open_up(root: &Path) {
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        // Symbolic links are not followed: where they lead is not ours.
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(below.map(|entry| entry.path()));
    }
}
