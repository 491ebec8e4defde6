//! The wake-ups of a supervisor: `SIGCHLD` and changes in a directory, both read from a signalfd.
//!
//! dnotify (`F_NOTIFY` of `fcntl(2)`) watches directories. Its descriptor is closed in microseconds, where inotify's
//! takes 8 to 20 ms.
#![expect(unsafe_code, reason = "nix has no F_NOTIFY")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals as a descriptor to poll, and the watched directory.
pub(crate) struct Wakeups {
    signals: Option<SignalFd>,
    directory: Option<File>,
}

/// The longest wait: no wait depends on one wake-up alone, and a lost one costs this long.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Wakeups {
    /// Blocks every signal, and reads `SIGCHLD` and dnotify's signal instead. A signal that ends all processes of a
    /// session or a user (`kill -TERM -1`, a CI runner that ends a job) must not end the supervisor that cleans up
    /// after them. The supervisor itself notices that its test process is gone. With its signal blocked, a limit on
    /// file size shows as an error of the write.
    pub(crate) fn new() -> Self {
        let _ = SigSet::all().thread_block();
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        // nix's `SigSet` does not know realtime signals. dnotify's default SIGIO is as good, as several pending events
        // mean the same as one.
        mask.add(Signal::SIGIO);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Self {
            signals: SignalFd::with_flags(&mask, flags).ok(),
            directory: None,
        }
    }

    /// Returns the descriptor that becomes readable, and the longest time to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        let longest = if self.signals.is_some() {
            AT_LEAST_EVERY
        } else {
            Duration::from_millis(5)
        };
        (self.signals.as_ref().map(AsFd::as_fd), longest)
    }

    /// Takes the wake-ups. Returns `true` if the watched directory changed.
    pub(crate) fn take(&mut self) -> bool {
        let mut changed = false;
        while let Some(Ok(Some(info))) = self.signals.as_ref().map(SignalFd::read_signal) {
            changed |= info.ssi_signo == Signal::SIGIO as u32;
        }
        changed
    }

    /// Watches the directory of this absolute path, instead of an earlier one. Returns `false` if the directory cannot
    /// be watched.
    pub(crate) fn watch(&mut self, path: &Path) -> bool {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_DIRECTORY);
        let directory = path.parent().and_then(|path| options.open(path).ok());
        self.directory = directory.filter(notify_changes);
        self.directory.is_some()
    }

    /// Ends the watch.
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
