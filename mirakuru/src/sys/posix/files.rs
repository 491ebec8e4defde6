//! Opens files that only the user may access, and locks files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl, openat};
use nix::libc;
use nix::sys::stat::Mode;

use crate::sys::{self, lock_of_open_file};

/// Opens a file that only this user may read and write, and makes it if it is missing. A symbolic link is not followed.
pub(crate) fn open_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Sets the change time of a file to now.
#[cfg(feature = "services")]
pub(crate) fn touch(file: &File) -> io::Result<()> {
    let now = nix::sys::time::TimeSpec::UTIME_NOW;
    Ok(nix::sys::stat::futimens(file, &now, &now)?)
}

/// Returns the cache directory of this user, from environment variables or else from the user database.
#[cfg(feature = "services")]
pub(crate) fn cache_directory() -> Option<std::path::PathBuf> {
    let of_variable = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    let absolute = |name| of_variable(name).filter(|path| path.is_absolute());
    // With `sudo`, the variables may be those of another user.
    let is_own =
        |home: &std::path::PathBuf| home.metadata().is_ok_and(|found| super::is_own(&found));
    let home = absolute("HOME").filter(is_own);
    if let (Some(caches), Some(_)) = (absolute("XDG_CACHE_HOME"), &home) {
        return Some(caches);
    }
    let of_database = || {
        nix::unistd::User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
    };
    let home = home.or_else(|| of_database().map(|user| user.dir))?;
    Some(home.join(CACHES))
}

/// The path of the caches below a user's home directory, from the XDG Base Directory Specification and Apple's File
/// System Programming Guide.
#[cfg(feature = "services")]
const CACHES: &str = if cfg!(target_os = "macos") {
    "Library/Caches"
} else {
    ".cache"
};

/// Opens a file with these flags, without waiting for a named pipe. If the pipe has no reader, the service itself keeps
/// it open.
pub(super) fn open_at_once(at: impl AsFd, path: &Path, flags: OFlag) -> io::Result<File> {
    let open = |flags| {
        let flags = flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(&at, path, flags, Mode::from_bits_truncate(0o666))
    };
    let opened = match open(flags) {
        Err(Errno::ENXIO) if flags.contains(OFlag::O_WRONLY) => {
            open((flags & OFlag::O_NOFOLLOW) | OFlag::O_RDWR)
        }
        opened => opened,
    };
    let file = File::from(opened?);
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// An open file and the lock on it (`flock(2)`). Dropping it gives the lock back; the kernel gives it back for a
/// process that dies.
pub(crate) type LockedFile = Flock<File>;

/// Takes the exclusive lock. Returns `None` if another open file has a lock.
pub(crate) fn try_lock(file: File) -> io::Result<Option<LockedFile>> {
    lock(file, FlockArg::LockExclusiveNonblock)
}

/// Takes the lock that any number of open files can share. Returns `None` if another open file has the exclusive lock.
pub(crate) fn try_lock_with_others(file: File) -> io::Result<Option<LockedFile>> {
    lock(file, FlockArg::LockSharedNonblock)
}

fn lock(file: File, how: FlockArg) -> io::Result<Option<LockedFile>> {
    match Flock::lock(file, how) {
        Ok(file) => Ok(Some(file)),
        Err((_, nix::Error::EAGAIN | nix::Error::EINTR)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Takes a lock on a directory. Returns `None` if another process has it, or is removing the directory.
pub(crate) fn lock_directory(
    path: &Path,
    by: impl Fn(File) -> io::Result<Option<LockedFile>>,
) -> io::Result<Option<LockedFile>> {
    let locked = by(File::open(path)?)?;
    Ok(locked.filter(|locked| sys::is_at(locked, path)))
}

/// Removes a directory that [`lock_directory`] locks, with all its content.
pub(crate) fn remove_lockable(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path)
}

/// Closes a copy that a fork inherited. The lock stays with the process that took it: an unlock by any copy would end
/// the lock for all.
pub(crate) fn close_copy(file: LockedFile) {
    // `nix` unlocks when a `Flock` is dropped, so only the descriptor is closed.
    let copy = std::mem::ManuallyDrop::new(file);
    let _ = nix::unistd::close(copy.as_raw_fd());
}

/// Takes the lock of this process on a whole file (`fcntl(2)`). Returns `false` if another process has it. A fork does
/// not inherit such a lock, and other processes can query the process that has it. The lock ends as soon as this
/// process closes any descriptor of the file.
pub(in crate::sys) fn try_lock_for_process(file: &File) -> io::Result<bool> {
    try_record_lock(file, FcntlArg::F_SETLK(&bytes_of_lock(0, 0)))
}

/// Takes this lock for a process that removes the file. Such a process does not hold the claim, and
/// [`process_that_locks`] does not see its lock. Linux gives this lock to the open file, so that no other thread can
/// end it by closing another descriptor.
pub(crate) fn try_lock_to_remove(file: &File) -> io::Result<bool> {
    try_record_lock(file, lock_of_open_file(&bytes_of_lock(1, 0)))
}

fn try_record_lock(file: &File, lock: FcntlArg<'_>) -> io::Result<bool> {
    match fcntl(file, lock) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Returns the process that has the lock of [`try_lock_for_process`], or 0 if that process has no number here. A
/// process does not see its own lock.
pub(in crate::sys) fn process_that_locks(file: &File) -> Option<u32> {
    let mut lock = bytes_of_lock(0, 1);
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    let unlocked: libc::c_short = libc::F_UNLCK.try_into().unwrap_or_default();
    (lock.l_type != unlocked).then(|| u32::try_from(lock.l_pid).unwrap_or_default())
}

/// Returns a lock on `len` bytes from `start` on; a `len` of 0 means all that follow.
fn bytes_of_lock(start: libc::off_t, len: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK.try_into().unwrap_or_default(),
        l_whence: libc::SEEK_SET.try_into().unwrap_or_default(),
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another user may have put a link in its place.
    #[test]
    fn a_symbolic_link_in_the_place_of_a_private_file_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [link, target] = ["link", "target"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&target, &link).expect("own directory");
        open_private_file(&link).expect_err("it leads to no file");
        assert!(!target.exists());
        File::create(&target).expect("own directory");
        open_private_file(&link).expect_err("it leads to a file");
    }

    /// The test runs itself again, as other tests in this process read the same variables.
    #[cfg(feature = "services")]
    #[test]
    fn the_caches_of_a_user_are_in_the_home_directory() {
        const EXPECTED: &str = "MIRAKURU_TESTS_CACHES";
        if let Some(expected) = std::env::var_os(EXPECTED) {
            assert_eq!(cache_directory(), Some(expected.into()));
            return;
        }
        let home = tempfile::tempdir().expect("a temporary directory");
        let [usual, named] = [CACHES, "named"].map(|name| home.path().join(name));
        for (variable, expected) in [
            ("", &usual),
            ("named", &usual),
            (named.to_str().expect("text"), &named),
        ] {
            let test = "sys::posix::files::tests::the_caches_of_a_user_are_in_the_home_directory";
            crate::rerun::alone(test, &[], |command| {
                command.env("HOME", home.path());
                command
                    .env("XDG_CACHE_HOME", variable)
                    .env(EXPECTED, expected);
            });
        }
    }
}
