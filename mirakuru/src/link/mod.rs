//! The test process's end of the connection to a supervisor. Any number of threads make calls (`call.rs`), and wait for
//! news (`reader.rs`).

mod attach;
mod call;
mod end;
mod exit_hook;
#[cfg(test)]
#[path = "../../../tests/fuzz/supervisor.rs"]
mod fuzz_supervisor;
#[cfg(all(test, mirakuru_loom))]
mod interleavings;
mod live;
mod open;
mod reader;
mod socket;
mod state;
mod sweep;
mod sync;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use state::State;

use crate::locks::{Owner, ThreadLock};
use crate::paths::beginning_of;
use crate::protocol::MARK;
use crate::protocol::frames::Inbox;
use crate::sys::{self, Process};
use crate::tmpdir::Private;
use crate::wait::Deadline;
pub(crate) use open::unique_name;
use open::{ended_early, run_again};
use reader::SharedReader;
use socket::Socket;

/// The time that a supervisor has to come up, and to end when it has no more work. It is generous: only a machine in
/// trouble reaches it.
pub(crate) const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

/// The location of a supervisor's private directory.
pub(crate) struct Home {
    pub(crate) parent: PathBuf,
    /// The directory stays if the supervisor is killed.
    pub(crate) stays: bool,
}

/// The connection of a test process to one supervisor.
pub(crate) struct Link {
    /// The process that this link belongs to. A forked child has the socket too, and a message that it read would be
    /// missing here.
    owner: Owner,
    /// The pid of the supervisor.
    pid: u32,
    /// The supervisor's name, in the environment of every process of its tree.
    name: String,
    reader: SharedReader<Socket, State>,
    /// The path of the note that the supervisor does not answer. Set if the run owns the supervisor, which this process
    /// must not end then.
    silence: OnceLock<PathBuf>,
    /// The lock that a thread holds while it sends a whole frame.
    sending: ThreadLock,
    /// The milliseconds that the tree has to stop before it is killed. The exit hook reads them, and takes no lock.
    patience: AtomicU64,
    /// The private directory. The exit hook reads it without a lock.
    directory: OnceLock<Private>,
    home: Home,
    /// The supervisor keeps the directory.
    kept: AtomicBool,
    /// Whether the exit hook has requested the end of the supervisor. Threads that still run cannot send any more.
    hung_up: AtomicBool,
    /// Whether a thread hands the supervisor over to the run now.
    sharing: AtomicBool,
    swept: OnceLock<Vec<(u32, String)>>,
}

impl Link {
    /// Starts a supervisor. The caller sends the first call while the supervisor comes up; if no reply came,
    /// [`came_up`](Self::came_up) returns the reason.
    pub(crate) fn open(home: Home) -> io::Result<Arc<Self>> {
        let permit =
            exit_hook::ask().ok_or_else(|| io::Error::other("the test process is exiting"))?;
        sys::may_supervise()?;
        let name = unique_name();
        let (socket, supervisor, pid) = run_again(&name)?;
        let link = Arc::new(Self::new(
            home,
            pid,
            name,
            Socket::new(socket, supervisor, Inbox::default()),
        ));
        exit_hook::register(permit, &link);
        Ok(link)
    }

    fn new(home: Home, pid: u32, name: String, socket: Socket) -> Self {
        Self {
            owner: Owner::this_process(),
            pid,
            name,
            reader: SharedReader::new(socket),
            silence: OnceLock::new(),
            sending: ThreadLock::new(),
            patience: AtomicU64::new(0),
            directory: OnceLock::new(),
            home,
            kept: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            sharing: AtomicBool::new(false),
            swept: OnceLock::new(),
        }
    }

    /// Returns the name of the supervisor, which is unique.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the pid of the supervisor, from which every process of the tree descends.
    pub(crate) fn supervisor(&self) -> u32 {
        self.pid
    }

    /// Returns whether this process is a forked child and the link belongs to its parent.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.owner.is_this_process()
    }

    /// Returns the path of the socket that the service reports to. The path is outside the private directory, so that a
    /// service that drops its rights can still reach it.
    pub(crate) fn path_of_notices(&self) -> PathBuf {
        let name = format!("mirakuru-{}.notify", beginning_of(&self.name));
        let path = sys::temporary().join(&name);
        if sys::is_short_enough(&path) {
            path
        } else {
            PathBuf::from(sys::SHORT_DIRECTORY).join(name)
        }
    }

    /// Returns the environment entry that marks the tree.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.name)
    }

    /// Waits until `look` returns a value. At the deadline, it looks once more at all that has arrived.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        if self.is_foreign() {
            return None;
        }
        self.reader.wait(deadline, |state| look(state))
    }

    /// Looks at the state, after everything that has arrived is part of it.
    pub(crate) fn current<T>(&self, look: impl Fn(&State) -> T) -> T {
        if self.is_foreign() {
            // Does not even take the lock: a thread that does not exist in this process may hold it.
            return look(&State::lost());
        }
        self.reader.current(|state| look(state))
    }

    /// Looks at the state, without reading the socket.
    pub(crate) fn cached<T>(&self, look: impl Fn(&State) -> T) -> T {
        self.reader.cached(|state| look(state))
    }

    /// Fails if the supervisor ended before it sent a message.
    pub(crate) fn came_up(&self) -> io::Result<()> {
        let is_up = self.cached(|state| state.is_up || !state.lost);
        if is_up { Ok(()) } else { Err(ended_early()) }
    }

    /// Returns the supervisor's process.
    fn process(&self) -> &Process {
        &self.reader.source().supervisor
    }
}
