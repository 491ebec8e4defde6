//! Makes and checks the directory of the lock files. It belongs to one user, as a machine may have several.
//!
//! The directory has the mode 0700, and no symbolic link is followed to it.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::sys;

/// Returns the directory of this user's locks, and makes it if it is missing.
///
/// # Errors
///
/// A human-readable reason: the directory belongs to another user, is a symbolic link, or cannot be made.
pub(crate) fn lock_directory() -> Result<PathBuf, String> {
    let path = lock_path();
    make(&path).map(|()| path)
}

/// Returns the lock directory if it exists and belongs to this user.
pub(crate) fn existing_lock_directory() -> Option<PathBuf> {
    let path = lock_path();
    validate_directory(&path, fs::symlink_metadata(&path)).ok()?;
    Some(path)
}

fn lock_path() -> PathBuf {
    sys::temporary().join(format!("mirakuru-{}", sys::user()))
}

/// Makes the directory if it is missing, and checks what the path leads to.
pub(crate) fn make(path: &Path) -> Result<(), String> {
    loop {
        match sys::make_private_directory(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(format!(
                    "failed to make the directory of port locks {}: {error}",
                    path.display()
                ));
            }
            _ => match fs::symlink_metadata(path) {
                // Another process has removed the directory together with its last lock. The loop makes it again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return validate_directory(path, found),
            },
        }
    }
}

/// Checks what was found at the path.
///
/// A symbolic link is not followed: another user may have put it there. Only the owner can replace what was found, as
/// the parent is a world-writable directory with the sticky bit.
fn validate_directory(path: &Path, found: io::Result<Metadata>) -> Result<(), String> {
    let why = match found {
        Err(error) => format!("cannot be inspected ({error})"),
        Ok(found) if !found.is_dir() => "is not a directory".to_owned(),
        Ok(found) if !sys::is_own(&found) => {
            format!("belongs to another user (uid {})", sys::owner_of(&found))
        }
        Ok(found) if sys::is_open_to_others(&found) => "is open to other users".to_owned(),
        Ok(_) => return Ok(()),
    };
    Err(format!(
        "the directory of port locks {} {why}: remove it, or set TMPDIR",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_a_file_and_an_open_directory_are_refused() {
        use std::os::unix::fs::PermissionsExt;

        let validate_directory = |path: &Path| validate_directory(path, fs::symlink_metadata(path));
        let home = tempfile::tempdir().expect("a temporary directory");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).expect("own directory");
        let reported = validate_directory(&link).expect_err("a link");
        assert!(reported.contains("is not a directory"), "{reported}");

        let open = home.path().join("open");
        fs::create_dir(&open).expect("own directory");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("own directory");
        let reported = validate_directory(&open).expect_err("open to others");
        assert!(reported.contains("is open to other users"), "{reported}");

        fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).expect("own directory");
        assert_eq!(validate_directory(&open), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_of_another_user_is_refused() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let given = home.path().join("given");
        sys::make_private_directory(&given).expect("room");
        // Only root can give a directory to another user. Any other user checks `/`, which belongs to root.
        let is_given = std::os::unix::fs::chown(&given, Some(65_534), None).is_ok();
        let path = if is_given { &given } else { Path::new("/") };
        let reported = validate_directory(path, fs::symlink_metadata(path)).expect_err("not ours");
        assert!(
            reported.contains("belongs to another user (uid "),
            "{reported}"
        );
    }

    /// Another process may remove the directory with its last lock, at any moment of the check.
    #[test]
    fn a_directory_that_comes_and_goes_is_accepted() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("locks");
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let _ = fs::remove_dir(&path);
                }
            });
            let rounds = if cfg!(windows) { 500 } else { 20_000 };
            let made: Vec<_> = (0..rounds).map(|_| make(&path)).collect();
            ended.store(true, Ordering::Relaxed);
            assert!(made.iter().all(Result::is_ok), "{made:?}");
        });
    }
}
