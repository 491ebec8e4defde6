//! What a process has open: `/proc/PID/fd` (`proc_pid_fd(5)`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

use super::descendants::descendants_of;

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

/// Returns whether a process below a supervisor waits in `read(2)` for its standard input, whose other end the
/// supervisor has (`/proc/PID/syscall`, as far as this user may look).
pub(crate) fn waits_for_input(supervisor: Pid) -> bool {
    let held = open_files(supervisor).unwrap_or_default();
    let waits = |pid: Pid| {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let reads = call.starts_with(&format!("{} 0x0 ", libc::SYS_read));
        reads && fs::read_link(format!("/proc/{pid}/fd/0")).is_ok_and(|to| held.contains(&to))
    };
    descendants_of(supervisor).iter().any(|one| waits(one.pid))
}
