//! Processes by descriptor and by `/proc`. A descriptor (`pidfd_open(2)`) refers to the same process forever; a pid
//! can be reused.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    os::unix::fs::MetadataExt,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mirakuru::{Executor, Readiness};
pub(crate) use mirakuru_tests::processor::parent_of;
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, kill},
    unistd::{Pid, User},
};

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    descriptor: OwnedFd,
}

impl Process {
    /// Opens the process that has this pid now.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pid = pid_of(pid);
        Ok(Self {
            pid,
            descriptor: pidfd_open(pid)?,
        })
    }

    /// Opens the supervisor of a running service.
    #[track_caller]
    pub(crate) fn supervisor_of<R: Readiness>(service: &Executor<R>) -> Self {
        let main = service.pid().expect("it runs");
        Self::open(parent_of(main)).expect("it lives")
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Returns whether the process ends within this time, reaped or not.
    pub(crate) fn ended_within(&self, bound: Duration) -> bool {
        let mut fds = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        let bound = PollTimeout::try_from(bound).expect("a short bound");
        poll(&mut fds, bound).expect("a valid descriptor") > 0
    }

    /// Returns whether the process was reaped, so that not even a zombie is left.
    pub(crate) fn was_reaped(&self) -> bool {
        let descriptor = self.descriptor.as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"));
        info.expect("an open descriptor")
            .lines()
            .any(|line| line == "Pid:\t-1")
    }

    /// Duplicates the sockets that the process has open into this process.
    pub(crate) fn sockets(&self) -> Vec<OwnedFd> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("it lives");
        let sockets = open.flatten().filter(|one| {
            fs::read_link(one.path())
                .is_ok_and(|leads| leads.display().to_string().starts_with("socket:"))
        });
        let numbers = sockets.filter_map(|one| one.file_name().to_str()?.parse().ok());
        numbers
            .map(|number| pidfd_getfd(&self.descriptor, number).expect("it may be traced"))
            .collect()
    }

    /// Sends a signal. The process must not have been reaped yet.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("a process that lives");
    }
}

/// Returns the living processes whose environment contains this entry (`NAME=value`).
pub(crate) fn carrying(entry: &str) -> Vec<Process> {
    let all = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = all.filter_map(|one| one.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let process = Process::open(pid).ok()?;
        // The environment of a process that has ended is empty.
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let carries = environment.split(|byte| *byte == 0);
        carries
            .into_iter()
            .any(|one| one == entry.as_bytes())
            .then_some(process)
    })
    .collect()
}

/// Returns the id of a user that has no name and no process.
pub(crate) fn unused_user() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Concurrent tests, in this process and in others, start their search at different ids.
    let first = process::id() * 8 + COUNT.fetch_add(1, Ordering::Relaxed);
    let owners: BTreeSet<u32> = fs::read_dir("/proc")
        .expect("procfs")
        .flatten()
        .filter_map(|one| Some(one.metadata().ok()?.uid()))
        .collect();
    let is_used = |user| owners.contains(&user) || User::from_uid(user.into()) != Ok(None);
    (0..30_000)
        .map(|next| 30_000 + (first + next) % 30_000)
        .find(|user| !is_used(*user))
        .expect("most ids are unused")
}

pub(crate) fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().expect("a pid"))
}

#[expect(unsafe_code, reason = "nix has no pidfd_open")]
fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes any number.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let raw = Errno::result(raw)?.try_into().expect("a descriptor");
    // SAFETY: the kernel has just created the descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[expect(unsafe_code, reason = "nix has no pidfd_getfd")]
fn pidfd_getfd(process: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes any numbers.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let raw = Errno::result(raw)?.try_into().expect("a descriptor");
    // SAFETY: the kernel has just created the descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
