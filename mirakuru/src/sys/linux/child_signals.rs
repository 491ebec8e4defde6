//! What wakes a supervisor: `SIGCHLD`, and changes in a directory, both read from a signalfd.
//!
//! Directories are watched with dnotify (`F_NOTIFY` of `fcntl(2)`): unlike inotify's, its
//! descriptor is closed in microseconds, where inotify's takes 8 to 20 ms.
#![expect(unsafe_code, reason = "nix has no F_NOTIFY")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals turned into something to poll, and the directory that is watched.
pub(crate) struct Wakeups {
    signals: Option<SignalFd>,
    directory: Option<File>,
}

/// No wait rests on one wake-up alone: a lost one costs this long.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Wakeups {
    /// Blocks every signal, and reads `SIGCHLD` and dnotify's instead. What ends all processes of a
    /// session or a user (`kill -TERM -1`, a CI runner that ends a job) must not end the one that
    /// cleans up behind them: it sees for itself that its test process is gone. A limit on files
    /// shows as an error of the write.
    pub(crate) fn new() -> Self {
        let _ = SigSet::all().thread_block();
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        // nix's `SigSet` knows no realtime signals; SIGIO is dnotify's default and is as good,
        // as more than one pending event means the same as one.
        mask.add(Signal::SIGIO);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Self {
            signals: SignalFd::with_flags(&mask, flags).ok(),
            directory: None,
        }
    }

    /// What becomes readable, and the longest to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        let longest = if self.signals.is_some() {
            AT_LEAST_EVERY
        } else {
            Duration::from_millis(5)
        };
        (self.signals.as_ref().map(AsFd::as_fd), longest)
    }

    /// Takes what woke us. True if the watched directory changed, or cannot be watched.
    pub(crate) fn take(&mut self) -> bool {
        let mut changed = false;
        while let Some(Ok(Some(info))) = self.signals.as_ref().map(SignalFd::read_signal) {
            changed |= info.ssi_signo == Signal::SIGIO as u32;
        }
        changed
    }

    /// Watches the directory of this absolute path from now on, instead of another. False where it cannot.
    pub(crate) fn watch(&mut self, path: &Path) -> bool {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_DIRECTORY);
        let directory = path.parent().and_then(|path| options.open(path).ok());
        self.directory = directory.filter(notify_changes);
        self.directory.is_some()
    }

    /// Watches nothing any more.
    pub(crate) fn forget(&mut self) {
        self.directory = None;
    }
}

/// `DN_MODIFY | DN_CREATE | DN_RENAME | DN_ATTRIB | DN_MULTISHOT` of `<linux/fcntl.h>`, which the
/// libc crate lacks.
const DIRECTORY_CHANGES: u32 = 0x2 | 0x4 | 0x10 | 0x20 | 0x8000_0000;

fn notify_changes(directory: &File) -> bool {
    let fd = directory.as_raw_fd();
    // SAFETY: `F_NOTIFY` takes a mask of events; SIGIO is blocked, so it is only ever read.
    let result = unsafe { libc::fcntl(fd, libc::F_NOTIFY, DIRECTORY_CHANGES) };
    result == 0
}
