//! Lists the files that a process has open: `/proc/PID/fd` (`proc_pid_fd(5)`).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::Pid;

use super::descendants::descendants_of;
use crate::sys::open_stream;

/// Returns the targets of a process's descriptors; that of a socket is `socket:[INODE]`. If the first thread of a
/// process has ended, the entry of the process lists no descriptors. Then those of its other threads are read.
///
/// # Errors
///
/// Returns an error if the process has ended, or may not be inspected. The kernel may list such a process's
/// descriptors, and then refuses to show their targets.
pub(super) fn open_files(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let found = targets(&process)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let threads = fs::read_dir(process.join("task"))?.flatten();
    let of_threads = threads.map(|thread| targets(&thread.path()));
    let of_threads: Vec<_> = of_threads.filter(is_there).collect::<io::Result<_>>()?;
    Ok(of_threads.concat())
}

fn targets(of: &Path) -> io::Result<Vec<PathBuf>> {
    let fds = fs::read_dir(of.join("fd"))?.flatten();
    let targets = fds.map(|fd| fs::read_link(fd.path()));
    targets.filter(is_there).collect()
}

/// Returns whether a descriptor or thread still exists; one that was closed or has ended since the listing is left out.
fn is_there<T>(found: &io::Result<T>) -> bool {
    !matches!(found, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Returns whether a process below a supervisor waits in `read(2)` for its standard input, and the supervisor has the
/// other end. This is read from `/proc/PID/syscall`, as far as this user may look.
pub(crate) fn waits_for_input(supervisor: Pid) -> bool {
    let held = open_files(supervisor).unwrap_or_default();
    let waits = |pid: Pid| {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let reads = call.starts_with(&format!("{} 0x0 ", libc::SYS_read));
        reads && fs::read_link(format!("/proc/{pid}/fd/0")).is_ok_and(|to| held.contains(&to))
    };
    descendants_of(supervisor).iter().any(|one| waits(one.pid))
}

/// Opens the standard error of a process. Returns `None` if it is a file that the process does not append to, as its
/// next line would overwrite ours.
pub(crate) fn standard_error_of(pid: Pid) -> Option<File> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let path = process.join("fd/2");
    let kind = fs::metadata(&path).ok()?.file_type();
    let appends = || {
        let facts = fs::read_to_string(process.join("fdinfo/2")).ok()?;
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        Some(OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND))
    };
    let is_stream = kind.is_char_device() || kind.is_fifo();
    let is_safe = is_stream || appends() == Some(true);
    is_safe.then(|| open_stream(&path, None, false).ok())?
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn a_descriptor_that_was_just_closed_is_left_out() {
        let found = |kind: io::ErrorKind| is_there::<()>(&Err(kind.into()));
        assert!(!found(io::ErrorKind::NotFound));
        assert!(found(io::ErrorKind::PermissionDenied) && is_there(&Ok(())));
    }

    #[test]
    fn only_a_file_that_a_process_appends_to_can_get_our_lines() {
        for appends in [true, false] {
            let log = tempfile::NamedTempFile::new().expect("a temporary file");
            let mut options = File::options();
            let options = options.append(appends).write(true);
            let error = options.open(log.path()).expect("own file");
            let mut process = sleep_with(error.into());
            let opened = standard_error_of(pid_of(&process));
            assert_eq!(opened.is_some(), appends);
            if let Some(mut opened) = opened {
                opened.write_all(b"ours\n").expect("a file");
                assert_eq!(fs::read(log.path()).expect("own file"), b"ours\n");
            }
            process.kill().expect("a child");
            process.wait().expect("a child");
        }
    }

    #[test]
    fn a_pipe_can_always_get_our_lines() {
        let mut process = sleep_with(Stdio::piped());
        assert!(standard_error_of(pid_of(&process)).is_some());
        process.kill().expect("a child");
        process.wait().expect("a child");
    }

    fn sleep_with(error: Stdio) -> Child {
        let mut command = Command::new("sleep");
        let command = command.arg("60").stderr(error);
        command.spawn().expect("coreutils")
    }

    fn pid_of(process: &Child) -> Pid {
        crate::sys::process_of(process.id()).expect("a pid")
    }
}
