//! Opens files that belong to the user alone, locks files, and makes the pipes of a service.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};
use nix::libc;
use nix::sys::stat::{Mode, fchmod};

/// Opens a file that only this user may read and write, and makes it where it is missing. A symbolic
/// link is not followed.
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

/// Opens a file to read from or append to. A named pipe is not waited for: one without a reader is
/// kept open by the service itself.
pub(crate) fn open_at_once(path: &Path, to_read: bool) -> io::Result<File> {
    let open = |options: &mut OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(path);
    let file = if to_read {
        open(OpenOptions::new().read(true))?
    } else {
        let appended = open(OpenOptions::new().create(true).append(true));
        appended.or_else(|error| match error.raw_os_error() {
            Some(libc::ENXIO) => open(OpenOptions::new().read(true).write(true)),
            _ => Err(error),
        })?
    };
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// Returns whether a file that was opened with these flags is appended to.
pub(crate) fn appends(flags: i32) -> bool {
    OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND)
}

/// An open file and the lock on it (`flock(2)`). A drop gives the lock back; the kernel does it for a
/// process that dies.
pub(crate) type LockedFile = Flock<File>;

/// Takes the lock; `None` if another open file has it.
pub(crate) fn try_lock(file: File) -> io::Result<Option<LockedFile>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Some(file)),
        Err((_, nix::Error::EAGAIN | nix::Error::EINTR)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Closes a copy that a fork inherited. The lock stays with the process that took it: an unlock by
/// any copy would take it away from all.
pub(crate) fn close_copy(file: LockedFile) {
    // `nix` unlocks in the drop of `Flock`, so the file alone must be closed.
    let copy = std::mem::ManuallyDrop::new(file);
    let _ = nix::unistd::close(copy.as_raw_fd());
}

/// Takes the lock of this process on a whole file (`fcntl(2)`); false if another process has it. A fork
/// inherits no such lock. The lock ends as soon as this process closes any descriptor of the file.
pub(crate) fn try_lock_for_process(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Returns the process that has the lock of [`try_lock_for_process`]. This process does not see its own.
pub(crate) fn process_that_locks(file: &File) -> Option<u32> {
    let mut lock = libc::flock {
        l_type: libc::F_RDLCK.try_into().unwrap_or_default(),
        ..whole_file()
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    let held = i32::from(lock.l_type) != libc::F_UNLCK;
    u32::try_from(lock.l_pid).ok().filter(|_| held)
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK.try_into().unwrap_or_default(),
        l_whence: libc::SEEK_SET.try_into().unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Makes a pipe for the input or an output of a service: an end of ours that never waits, and one that the
/// service may open again by name (`/dev/stderr`), whatever user it runs as.
pub(crate) fn service_pipe(is_input: bool) -> io::Result<(File, OwnedFd)> {
    let (reader, writer) = crate::sys::pipe()?;
    let (ours, theirs) = if is_input {
        (writer, reader)
    } else {
        (reader, writer)
    };
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let _ = fchmod(&theirs, Mode::from_bits_truncate(0o666));
    Ok((ours.into(), theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another user may have put it there.
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
}
