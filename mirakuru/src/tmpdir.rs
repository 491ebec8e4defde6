//! The private directory: made for its service alone, and removed with all that is in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::Handle;
use crate::{paths, sys};

const PREFIX: &str = "mirakuru-";

/// Makes it below `parent`. The supervisor's name is nobody else's, so the directory's is not.
pub(crate) fn make(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let path = parent.join(format!("{PREFIX}{}", paths::beginning_of(name)));
    // Nothing of this name may be there: another user cannot have prepared it.
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    loop {
        if is_of_a_run(parent) {
            make_for_a_run(parent)?;
        }
        match make(&path) {
            // Another process of the run has removed it with its last directory since.
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_of_a_run(parent) => {}
            result => break result?,
        }
    }
    if let Some(short) = short(&path) {
        make(&short).inspect_err(|_| remove(&path))?;
    }
    Ok(path)
}

const KEPT: &str = "mirakuru-kept-";

/// Returns the directory for all private directories of a run that may stay.
pub(crate) fn kept(run: &str) -> PathBuf {
    paths::temporary().join(format!("{KEPT}{run}"))
}

fn is_of_a_run(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(KEPT.as_bytes())
}

/// Services of other users have their directories in it too, so these may enter it.
fn make_for_a_run(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(directory)?;
            let is_own = found.is_dir() && found.uid() == sys::user() && found.mode() & 0o022 == 0;
            let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
            is_own.then_some(()).ok_or_else(refused)
        }
        made => made,
    }
}

/// Returns the path that `{socket}` stands for. It lies in the private directory, unless that path would be too
/// long for a socket.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    let short = short(directory);
    short.as_deref().unwrap_or(directory).join(SOCKET)
}

const SOCKET: &str = "socket";

/// The directory for the socket of a private directory whose own path is too long.
pub(crate) fn short(directory: &Path) -> Option<PathBuf> {
    let is_private = |name: &&OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let name = directory.file_name().filter(is_private)?;
    let is_long = directory.join(SOCKET).as_os_str().len() > sys::LONGEST_SOCKET_PATH;
    is_long.then(|| Path::new("/tmp").join(name))
}

/// Removes it. What a service mounted there is taken off first, or what lies behind would go too; where
/// that cannot be, the directory stays. What it protected against writing, as caches of modules do, is
/// opened.
pub(crate) fn remove(path: &Path) {
    remove_short(path);
    if !sys::unmount_below(path) {
        return;
    }
    if fs::remove_dir_all(path).is_err() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
    // If nothing of the run stays.
    if let Some(parent) = path.parent().filter(|parent| is_of_a_run(parent)) {
        let _ = fs::remove_dir(parent);
    }
}

/// Removes the directory of its socket alone.
pub(crate) fn remove_short(path: &Path) {
    if let Some(short) = short(path) {
        let _ = fs::remove_dir_all(short);
    }
}

/// Copies what a service printed into its directory, for people. `number` is the service's, among
/// those that had the directory.
pub(crate) fn keep_output(
    directory: &Path,
    number: u64,
    captures: &mut [Option<Handle>; 2],
    copy: fn(&File, &File) -> io::Result<()>,
) {
    for (capture, stream) in captures.iter_mut().zip(["stdout", "stderr"]) {
        let Some(capture) = capture.take() else {
            continue;
        };
        let path = directory.join(format!("captured-{stream}-{number}.log"));
        // Nobody is left to be told that it failed.
        // The service may have made something of this name: it is not written over.
        let _ = File::create_new(path).and_then(|to| copy(&File::from(capture), &to));
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
