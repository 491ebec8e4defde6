//! The private directory: made for its service alone, and removed with all that is in it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the test process has its temporary files. Absolute, as the supervisor stands elsewhere; an
/// empty `TMPDIR` counts as none.
pub(super) fn parent() -> PathBuf {
    let directory = std::env::temp_dir();
    std::path::absolute(&directory).unwrap_or_else(|_| "/tmp".into())
}

/// Makes it below `parent`. The supervisor's name is nobody else's, so the directory's is not.
pub(super) fn make(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let path = parent.join(format!("mirakuru-{}", &name[..16]));
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

/// Removes it. What a service protected against writing, as caches of modules do, is opened first.
pub(super) fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
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
