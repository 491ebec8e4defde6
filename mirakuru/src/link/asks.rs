//! What a test process asks of its supervisor while a service is wanted.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Link, SUPERVISOR_BOUND};
use crate::paths::{absolute, temporary};
use crate::protocol::{Failure, Launch, Leased, Request, Stream};
use crate::sys;
use crate::wait::Deadline;

/// How long a supervisor may take to bring the captured files up to date.
const DRAIN_BOUND: Duration = Duration::from_secs(1);

impl Link {
    /// The private directory, made on the first call; `None` if the supervisor does not answer.
    pub(crate) fn directory(&self, deadline: Deadline) -> Option<Result<PathBuf, Failure>> {
        if let Some(made) = self.directory.get() {
            return Some(Ok(made.clone()));
        }
        self.state().directory = None;
        self.ask(&Request::MakeDirectory(temporary()));
        let made = self.wait(deadline.or_sooner(SUPERVISOR_BOUND), |state| {
            state.directory.clone()
        })?;
        Some(made.map(|made| self.directory.get_or_init(|| made).clone()))
    }

    /// Asks for a lease on this port, or on a free one; `None` if the supervisor does not answer. One
    /// thread at a time: the caller has the executor's turn.
    pub(crate) fn lease(
        &self,
        port: Option<u16>,
        holder: String,
        directory: PathBuf,
    ) -> Option<Leased> {
        self.state().leased = None;
        self.ask(&Request::Lease {
            directory,
            port,
            holder,
        });
        self.wait(Deadline::after(SUPERVISOR_BOUND), |state| {
            state.leased.clone()
        })
    }

    /// Gives a lease back, and returns once others can have it.
    pub(crate) fn release(&self, port: u16) {
        self.state().released = None;
        self.ask(&Request::Release(port));
        self.wait(Deadline::after(SUPERVISOR_BOUND), |state| {
            state.released.filter(|released| *released == port)
        });
    }

    /// Starts a service; `fds` are the streams that travel with the order. `None` if there is no
    /// answer in time.
    pub(crate) fn launch(
        &self,
        order: Launch,
        fds: &[OwnedFd],
        deadline: Deadline,
    ) -> Option<Result<u32, Failure>> {
        let patience = u64::try_from(order.farewell.patience.as_millis()).unwrap_or(u64::MAX);
        self.patience.store(patience, Ordering::Relaxed);
        self.state().launched = None;
        let pid_file = order.pid_file.clone();
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        self.ask_with(&Request::Launch(Box::new(order)), &fds, deadline);
        let launched = self.wait(deadline, |state| state.launched.clone())?;
        if launched.is_ok() {
            self.state().pid_file = pid_file;
        }
        Some(launched)
    }

    /// The files of the service stay.
    pub(crate) fn keep(&self) {
        self.ask(&Request::Keep);
    }

    /// For its row in a timeline.
    pub(crate) fn tell_ready(&self) {
        let now = sys::monotonic_time().as_micros();
        self.ask(&Request::Ready(now.try_into().unwrap_or(u64::MAX)));
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.ask(&Request::Signal(signal));
    }

    /// Has all that was printed by now be in the files: what is still in a pipe would be missing there. A
    /// supervisor that does not answer, as it was frozen, is waited for once and not for long: there is
    /// what was written before.
    pub(crate) fn drain(&self) {
        // Ahead of the lock, which a thread of the parent may have held at the fork.
        if self.is_foreign() {
            return;
        }
        // One question is on its way at a time, so that they never fill the socket.
        let mut asked = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = self.look(|state| (!state.lost).then_some(state.drained));
        if answered.is_none_or(|answered| answered < *asked) {
            return;
        }
        let (number, bound) = (*asked + 1, Deadline::after(DRAIN_BOUND));
        if self.send(&Request::Drain(number), &[], bound).is_ok() {
            *asked = number;
            self.wait(bound, |state| (state.drained >= number).then_some(()));
        }
    }

    /// Has the next output beyond `seen` counted as news. One watch is on its way at a time.
    pub(crate) fn watch_output(&self, stream: Stream, seen: u64) {
        let watched = std::mem::replace(&mut self.state().watches.output[stream as usize], true);
        if !watched {
            self.ask(&Request::WatchOutput(stream, seen));
        }
    }

    /// Has the next change beside this path counted as news. One watch is on its way at a time, and
    /// none is missed between two.
    pub(crate) fn watch_path(&self, path: &Path) {
        let watched = std::mem::replace(&mut self.state().watches.path, true);
        if !watched {
            // The supervisor stands elsewhere.
            self.ask(&Request::WatchPath(absolute(path)));
        }
    }

    /// Changes beside the path are no news any more.
    pub(crate) fn forget_path(&self) {
        self.state().watches.path = false;
        self.ask(&Request::ForgetPath);
    }
}
