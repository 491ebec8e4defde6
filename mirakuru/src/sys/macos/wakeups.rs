//! What wakes a supervisor: forks and ends in its tree, and changes of a path.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::sys::event::{EventFilter, FilterFlag};
use nix::sys::signal::SigSet;

use super::descendants::look;
use super::queue::Queue;
use crate::sys::Pid;

/// The events of a supervisor, and the path that is watched.
pub(crate) struct Wakeups {
    queue: Option<Queue>,
    watched: Option<Watched>,
}

/// A process that was found forks too, perhaps before its forks were awaited: then another look is due. In a storm of
/// forks, the next wake-up brings it.
const LOOKS: usize = 3;

/// No wait rests on one wake-up alone: a lost one costs this long.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Wakeups {
    /// Blocks every signal: what ends all processes of a user must not end the one that cleans up. An event reports
    /// `SIGCHLD` all the same, as the kernel notes it before it looks whether the signal is blocked or ignored
    /// (`kqueue(2)`).
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
        }
    }

    /// What becomes readable, and the longest to wait for it.
    pub(crate) fn wakeup(&self) -> (Option<BorrowedFd<'_>>, Duration) {
        let wakeup = self.queue.as_ref().and_then(Queue::wakeup);
        let longest = match wakeup {
            Some(_) => AT_LEAST_EVERY,
            None => Duration::from_millis(5),
        };
        (wakeup, longest)
    }

    /// Takes what woke us. True if the watched path changed, or cannot be watched.
    pub(crate) fn take(&mut self) -> bool {
        let Some(queue) = &self.queue else {
            return true;
        };
        let mut changed = false;
        for _ in 0..LOOKS {
            let taken = queue.take();
            changed |= taken
                .iter()
                .any(|(filter, _)| *filter == EventFilter::EVFILT_VNODE);
            let is_fork = |(_, event): &(_, FilterFlag)| event.contains(FilterFlag::NOTE_FORK);
            if !taken.iter().any(is_fork) {
                break;
            }
            for found in look() {
                let events = FilterFlag::NOTE_FORK | FilterFlag::NOTE_EXIT;
                await_events(queue, found.pid, events);
            }
        }
        if let Some(watched) = self.watched.as_mut().filter(|_| changed) {
            watched.watch_file(queue);
        }
        changed
    }

    /// Watches this absolute path and its directory from now on, instead of another. False where it cannot.
    pub(crate) fn watch(&mut self, path: &Path) -> bool {
        let watched = self
            .queue
            .as_ref()
            .and_then(|queue| Watched::new(queue, path));
        self.watched = watched;
        self.watched.is_some()
    }

    /// Watches nothing any more.
    pub(crate) fn forget(&mut self) {
        self.watched = None;
    }
}

/// Has these changes of a process be events. An error is that of a process that has ended.
fn await_events(queue: &Queue, process: Pid, events: FilterFlag) {
    if let Ok(id) = usize::try_from(process.as_raw()) {
        let _ = queue.add(id, EventFilter::EVFILT_PROC, events);
    }
}

/// A path that is watched. Closing a file ends its events.
struct Watched {
    path: PathBuf,
    /// Its events: the file comes, or another takes its place.
    _directory: File,
    /// Its events: the file grows.
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

/// Opens a file or a directory for its events alone (`O_EVTONLY` of `open(2)`), which begin now.
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
