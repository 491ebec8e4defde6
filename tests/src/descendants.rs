//! The descendants of this process. The process adopts every orphan (`PR_SET_CHILD_SUBREAPER`), so it finds all
//! processes that a test left, regardless of their environment, session and user.

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::{self, Command, Stdio},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
};

/// The role of a process in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// cargo, which becomes nextest.
    Runner,
    /// A process of `chaos/victims.rs`.
    Test,
    /// A supervisor.
    Supervisor,
    /// Any other process.
    Service,
}

/// A living process. Its descriptor refers to it even after its pid was reused.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    /// The role of the process.
    pub role: Role,
    /// The command line.
    pub words: String,
    descriptor: OwnedFd,
}

impl Process {
    /// Returns the pid, which another process may have by now.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// Sends a signal, if the process still lives.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.descriptor, signal);
    }

    /// Lowers a limit of the process: `--nofile=9:`.
    pub fn limit(&self, limit: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", self.pid)).arg(limit);
        // The process may have ended meanwhile.
        let _ = prlimit.stderr(Stdio::null()).status();
    }
}

/// Makes this process the parent of every orphan below it.
pub fn adopt_orphans() {
    prctl::set_child_subreaper(true).expect("a call that cannot fail");
}

/// Reaps every child that has ended. Call it after the runner was waited for, which is a child too.
pub fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

/// Returns the living descendants of this process.
#[must_use]
pub fn alive() -> Vec<Process> {
    let stats: HashMap<i32, (i32, bool)> = fs::read_dir("/proc")
        .expect("procfs")
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent_of(pid)?))
        })
        .collect();
    let own = process::id().cast_signed();
    let is_below = |mut pid: i32| {
        while let Some((parent, _)) = stats.get(&pid) {
            if *parent == own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let living = stats
        .iter()
        .filter(|(pid, (_, lives))| *lives && is_below(**pid));
    living
        .filter_map(|(pid, (parent, _))| {
            let descriptor = pidfd_open(*pid).ok()?;
            // The pid was not reused in between if it still has the same parent.
            parent_of(*pid).filter(|(now, lives)| now == parent && *lives)?;
            let words = words_of(*pid);
            let role = role_of(&words);
            Some(Process {
                pid: *pid,
                role,
                words,
                descriptor,
            })
        })
        .collect()
}

/// Returns the pid of a process's parent, and whether the process lives.
fn parent_of(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold spaces.
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    let lives = !matches!(fields.next()?, "Z" | "X");
    Some((fields.next()?.parse().ok()?, lives))
}

fn words_of(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

fn role_of(words: &str) -> Role {
    let program = words.split(' ').next().unwrap_or_default();
    if program.contains("mirakuru") && program.contains("supervisor") {
        Role::Supervisor
    } else if program.contains("nextest") || program.ends_with("cargo") {
        Role::Runner
    } else if program.contains("/victims-") {
        Role::Test
    } else {
        Role::Service
    }
}

#[expect(unsafe_code, reason = "nix has no pidfd_open")]
fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes any number.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let raw = Errno::result(raw)?.try_into().expect("a descriptor");
    // SAFETY: the kernel has just created the descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[expect(unsafe_code, reason = "nix has no pidfd_send_signal")]
fn pidfd_send_signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let descriptor = process.as_raw_fd();
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the call takes any numbers, and no information about the signal.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            descriptor,
            signal as i32,
            none,
            0,
        )
    };
    Errno::result(sent)?;
    Ok(())
}
