//! What a process has open: `/proc/PID/fd` (`proc_pid_fd(5)`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

/// Where its descriptors lead; a socket's is `socket:[INODE]`. A process whose first thread has ended
/// has nothing open by its own entry: then its other threads are asked.
///
/// # Errors
///
/// That it has ended, or may not be looked at.
pub(super) fn open_files(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let found = leads(&process)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let threads = fs::read_dir(process.join("task"))?.flatten();
    let of_threads = threads.filter_map(|thread| leads(&thread.path()).ok());
    Ok(of_threads.flatten().collect())
}

fn leads(of: &Path) -> io::Result<Vec<PathBuf>> {
    let fds = fs::read_dir(of.join("fd"))?.flatten();
    Ok(fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect())
}
