//! The test's end of a supervisor: requests go out, events come in, any number of threads wait.
//!
//! There is no reading thread. Whoever waits first reads the socket for all; when it has what it
//! wants, the next takes over. A wait therefore costs one `poll`, and an idle executor nothing.

mod asks;
mod attach;
mod end;
mod open;
mod state;
mod sweep;

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub(crate) use state::State;

use super::protocol::{HANDSHAKE, MARK, Request};
use super::wire::{self, Inbox};
use crate::exit::Permit;
use crate::sys::{self, ProcessFd};
use crate::wait::Deadline;
use open::{Read, await_greeting, read_events, run_again, unique_name};

/// How long a supervisor may take to come up, and to end once nothing is left to do: generous, as
/// only a machine in trouble gets there.
const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

/// One supervisor, from the test process.
pub(crate) struct Link {
    /// The process that this is the end of. A forked child has the socket too: what it read would
    /// be missing here.
    owner: u32,
    /// The supervisor's.
    pid: u32,
    /// In the environment of every process of its tree.
    name: String,
    socket: UnixStream,
    supervisor: ProcessFd,
    /// The run's, and not this process's to end.
    shared: AtomicBool,
    /// Held for a whole frame.
    sending: Mutex<()>,
    /// Held from the question to its answer.
    attaching: Mutex<()>,
    /// Held by the thread that reads.
    inbox: Mutex<Inbox>,
    state: Mutex<State>,
    changed: Condvar,
    /// Milliseconds that the tree may take to stop; read by the exit hook, which takes no lock.
    patience: AtomicU64,
    /// The private directory; known without a lock, for the exit hook.
    directory: OnceLock<PathBuf>,
    swept: OnceLock<Vec<(u32, String)>>,
}

impl Link {
    /// Starts a supervisor and waits for its greeting.
    pub(crate) fn open(deadline: Deadline) -> io::Result<Arc<Self>> {
        let permit =
            Permit::ask().ok_or_else(|| io::Error::other("the test process is exiting"))?;
        if sys::runs_privileged() {
            return Err(io::Error::other("a set-user-id program cannot supervise"));
        }
        let name = unique_name();
        let (socket, theirs) = UnixStream::pair()?;
        // Sent ahead, so that it waits there when the supervisor looks.
        io::Write::write_all(&mut &socket, &[HANDSHAKE, name.as_bytes()].concat())?;
        let mut child = run_again(&name, theirs)?;
        let bound = deadline.or_sooner(SUPERVISOR_BOUND);
        let (inbox, supervisor) = match await_greeting(&socket, &mut child, bound) {
            Ok(greeted) => greeted,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let link = Arc::new(Self::new(child.id(), name, socket, supervisor, inbox));
        permit.register(&link);
        Ok(link)
    }

    fn new(
        pid: u32,
        name: String,
        socket: UnixStream,
        supervisor: ProcessFd,
        inbox: Inbox,
    ) -> Self {
        Self {
            owner: std::process::id(),
            pid,
            name,
            socket,
            supervisor,
            shared: AtomicBool::new(false),
            sending: Mutex::default(),
            attaching: Mutex::default(),
            inbox: Mutex::new(inbox),
            state: Mutex::default(),
            changed: Condvar::new(),
            patience: AtomicU64::new(0),
            directory: OnceLock::new(),
            swept: OnceLock::new(),
        }
    }

    /// Nobody else's.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The process that everything of the tree descends from.
    pub(crate) fn supervisor(&self) -> u32 {
        self.pid
    }

    fn is_foreign(&self) -> bool {
        self.owner != std::process::id()
    }

    /// The environment entry that marks the tree.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.name)
    }

    /// Waits until `look` is satisfied by what was told, or the deadline.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        if self.is_foreign() {
            return None;
        }
        let mut state = self.state();
        let mut last = false;
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            if last || state.lost {
                return None;
            }
            let remaining = deadline.remaining();
            if state.reading {
                last = remaining.is_zero();
                state.followers += 1;
                let waited = self
                    .changed
                    .wait_timeout(state, remaining.min(SUPERVISOR_BOUND));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.followers -= 1;
                continue;
            }
            state.reading = true;
            drop(state);
            let read = self.read(remaining);
            // Nothing had arrived when the deadline passed, or it has been taken in.
            last = deadline.has_passed();
            state = self.state();
            state.reading = false;
            for (event, fds) in read.events {
                state.apply(event, fds);
            }
            // What was said last counts, and the end behind it is known at once.
            state.lost |= read.ended;
            // Also wakes who takes over the reading. The call costs even where nobody waits.
            if state.followers > 0 {
                self.changed.notify_all();
            }
        }
    }

    /// What is known now, with what has arrived taken in.
    pub(crate) fn look<T>(&self, look: impl Fn(&State) -> T) -> T {
        if self.is_foreign() {
            // Not even the lock: a thread that is not in this process may hold it.
            return look(&State::lost());
        }
        self.wait(Deadline::after(Duration::ZERO), |_| None::<()>);
        look(&self.state())
    }

    /// What is known without another look at the socket.
    pub(crate) fn known<T>(&self, look: impl Fn(&State) -> T) -> T {
        look(&self.state())
    }

    fn read(&self, wait: Duration) -> Read {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        read_events(&self.socket, self.supervisor.wakeup(), &mut inbox, wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: &Request) {
        self.ask_with(request, &[], Deadline::after(SUPERVISOR_BOUND));
    }

    /// A supervisor that is gone shows by the end of the socket; one that takes nothing in until the
    /// deadline, as it was frozen, is given up.
    fn ask_with(&self, request: &Request, fds: &[BorrowedFd<'_>], deadline: Deadline) {
        if self.is_foreign() {
            return;
        }
        let whole_frame = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = wire::send(&self.socket, &request.encode(), fds, deadline);
        drop(whole_frame);
        if sent.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.give_up();
        }
    }
}
