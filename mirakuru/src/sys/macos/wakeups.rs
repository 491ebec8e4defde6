//! Wakes a supervisor when a process of its tree forks or ends, and when a watched path changes.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::sys::event::{EventFilter, FilterFlag};
use nix::sys::signal::SigSet;

use super::descendants::{look, seen};
use super::queue::Queue;
use crate::sys::Pid;

/// The events of a supervisor, and the path that it watches.
pub(crate) struct Wakeups {
    queue: Option<Queue>,
    watched: Option<Watched>,
    /// The last look has found new processes, whose forks before that look caused no event.
    is_behind: bool,
}

/// The number of looks at the process list after a fork. A process that was just found may have forked before its forks
/// were watched, so another look is needed. In a storm of forks, the next call continues.
const LOOKS: usize = 3;

/// The fallback for a lost wake-up: every wait ends after this time.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Wakeups {
    /// Creates the wake-ups and blocks every signal: a signal to all processes of a user must not end the process that
    /// cleans up.
    ///
    /// The queue reports `SIGCHLD` anyway, as the kernel records it before it checks whether the signal is blocked or
    /// ignored (`kqueue(2)`).
    pub(crate) fn new() -> Self {
        let _ = SigSet::all().thread_block();
        let queue = Queue::new().ok();
        if let Some((queue, child)) = queue.as_ref().zip(usize::try_from(libc::SIGCHLD).ok()) {
            let _ = queue.add(child, EventFilter::EVFILT_SIGNAL, FilterFlag::empty());
            await_events(queue, Pid::this(), FilterFlag::NOTE_FORK);
        }
        Self {
            queue,
            watched: None,
            is_behind: false,
        }
    }

    /// Returns the descriptor that becomes readable, and the longest time to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        let wakeup = self.queue.as_ref().and_then(Queue::wakeup);
        let longest = match wakeup {
            Some(_) => AT_LEAST_EVERY,
            None => Duration::from_millis(5),
        };
        (wakeup, longest)
    }

    /// Takes the events that woke this process. Returns `true` if the watched path changed, or cannot be watched.
    pub(crate) fn take(&mut self) -> bool {
        let Some(queue) = &self.queue else {
            return true;
        };
        let (mut changed, mut again) = (false, self.is_behind);
        for _ in 0..LOOKS {
            let taken = queue.take();
            changed |= taken
                .iter()
                .any(|(filter, _)| *filter == EventFilter::EVFILT_VNODE);
            let is_fork = |(_, event): &(_, FilterFlag)| event.contains(FilterFlag::NOTE_FORK);
            if !again && !taken.iter().any(is_fork) {
                break;
            }
            let known = seen();
            let found = look();
            again = seen() != known;
            for found in found {
                let events = FilterFlag::NOTE_FORK | FilterFlag::NOTE_EXIT;
                await_events(queue, found.pid, events);
            }
        }
        self.is_behind = again;
        if let Some(watched) = self.watched.as_mut().filter(|_| changed) {
            watched.watch_file(queue);
        }
        changed
    }

    /// Watches this absolute path and its directory from now on, instead of another path. Returns `false` if that is
    /// not possible.
    pub(crate) fn watch(&mut self, path: &Path) -> bool {
        let watched = self
            .queue
            .as_ref()
            .and_then(|queue| Watched::new(queue, path));
        self.watched = watched;
        self.watched.is_some()
    }

    /// Stops watching the path.
    pub(crate) fn forget(&mut self) {
        self.watched = None;
    }
}

/// Requests events for these changes of a process. An error means that the process has ended, and is ignored.
fn await_events(queue: &Queue, process: Pid, events: FilterFlag) {
    if let Ok(id) = usize::try_from(process.as_raw()) {
        let _ = queue.add(id, EventFilter::EVFILT_PROC, events);
    }
}

/// A watched path. Closing a file ends its events.
struct Watched {
    path: PathBuf,
    /// The directory reports that the file appears, or that another file replaces it.
    _directory: File,
    /// The file reports that it grows.
    file: Option<File>,
}

impl Watched {
    fn new(queue: &Queue, path: &Path) -> Option<Self> {
        let mut watched = Self {
            _directory: opened(queue, path.parent()?)?,
            path: path.to_owned(),
            file: None,
        };
        watched.watch_file(queue);
        Some(watched)
    }

    /// Watches the file that is at the path now.
    fn watch_file(&mut self, queue: &Queue) {
        self.file = opened(queue, &self.path);
    }
}

/// Opens a file or a directory only to receive its events (`O_EVTONLY` of `open(2)`). The events begin now.
fn opened(queue: &Queue, path: &Path) -> Option<File> {
    let mut options = File::options();
    let flags = libc::O_EVTONLY | libc::O_NONBLOCK;
    let file = options.read(true).custom_flags(flags).open(path).ok()?;
    let changes = FilterFlag::NOTE_WRITE
        | FilterFlag::NOTE_EXTEND
        | FilterFlag::NOTE_ATTRIB
        | FilterFlag::NOTE_DELETE
        | FilterFlag::NOTE_RENAME;
    let id = usize::try_from(file.as_raw_fd()).ok()?;
    queue.add(id, EventFilter::EVFILT_VNODE, changes).ok()?;
    Some(file)
}
