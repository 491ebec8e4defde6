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
/// The process has ended, or may not be looked at: its descriptors may be listed all the same, and then the
/// kernel refuses to say where each leads.
pub(super) fn open_files(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let found = leads(&process)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let threads = fs::read_dir(process.join("task"))?.flatten();
    let of_threads = threads.map(|thread| leads(&thread.path()));
    let of_threads: Vec<_> = of_threads.filter(is_there).collect::<io::Result<_>>()?;
    Ok(of_threads.concat())
}

fn leads(of: &Path) -> io::Result<Vec<PathBuf>> {
    let fds = fs::read_dir(of.join("fd"))?.flatten();
    let leads = fds.map(|fd| fs::read_link(fd.path()));
    leads.filter(is_there).collect()
}

/// What was closed or has ended since it was listed is left out.
fn is_there<T>(found: &io::Result<T>) -> bool {
    !matches!(found, Err(error) if error.kind() == io::ErrorKind::NotFound)
}
