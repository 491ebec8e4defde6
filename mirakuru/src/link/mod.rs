//! The test's end of a supervisor: any number of threads send requests, and wait for what it tells
//! (`reading.rs` says how).

mod asks;
mod attach;
mod end;
mod exit;
mod open;
mod reading;
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

use crate::locks::Owner;
use crate::protocol::frames::{self, Inbox};
use crate::protocol::{HANDSHAKE, MARK, Request};
use crate::sys::{self, ProcessFd};
use crate::wait::Deadline;
use exit::Permit;
use open::{await_greeting, run_again, unique_name};

/// How long a supervisor may take to come up, and to end once nothing is left to do: generous, as
/// only a machine in trouble gets there.
const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

/// One supervisor, from the test process.
pub(crate) struct Link {
    /// The process that this is the end of. A forked child has the socket too: what it read would
    /// be missing here.
    owner: Owner,
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
    /// The number of the latest [`Request::Drain`]; held from that to its answer.
    drains: Mutex<u64>,
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
            return Err(io::Error::other(
                "a program with set-user-id, set-group-id or file capabilities cannot supervise, nor can a process whose effective user is not its real one (`seteuid`)",
            ));
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
            owner: Owner::this_process(),
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
            drains: Mutex::new(0),
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

    /// Whether it is the parent's, seen from a forked child.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.owner.is_this_process()
    }

    /// The environment entry that marks the tree.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.name)
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
        let sent = self.send(request, fds, deadline);
        if sent.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.give_up();
        }
    }

    fn send(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> io::Result<()> {
        let _whole_frame = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        frames::send(&self.socket, &request.encode(), fds, deadline)
    }
}
