//! The test's end of a supervisor: any number of threads make calls (`call.rs`), and wait for news
//! (`reader.rs`).

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

/// How long a supervisor may take to come up, and to end once nothing is left to do: generous, as
/// only a machine in trouble gets there.
const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

/// Where the private directory of a supervisor lies.
pub(crate) struct Home {
    pub(crate) parent: PathBuf,
    /// The directory stays if the supervisor is killed.
    pub(crate) stays: bool,
}

/// One supervisor, from the test process.
pub(crate) struct Link {
    /// The process that this is the end of. A forked child has the socket too: what it read would
    /// be missing here.
    owner: Owner,
    /// The supervisor's.
    pid: u32,
    /// In the environment of every process of its tree.
    name: String,
    reader: SharedReader<Socket, State>,
    /// The note that the supervisor does not answer, if the supervisor is the run's, and not this process's to end.
    silence: OnceLock<PathBuf>,
    /// Held for a whole frame.
    sending: ThreadLock,
    /// Milliseconds that the tree may take to stop before it is killed; read by the exit hook, which takes no lock.
    patience: AtomicU64,
    /// The private directory; known without a lock, for the exit hook.
    directory: OnceLock<Private>,
    home: Home,
    /// The supervisor keeps the directory.
    kept: AtomicBool,
    swept: OnceLock<Vec<(u32, String)>>,
}

impl Link {
    /// Starts a supervisor. The first call is sent while the supervisor comes up: [`came_up`](Self::came_up)
    /// returns why there was no reply.
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

    /// The path of the socket that the service reports to. It lies outside the private directory, so that a service
    /// which drops its rights reaches it.
    pub(crate) fn path_of_notices(&self) -> PathBuf {
        let name = format!("mirakuru-{}.notify", beginning_of(&self.name));
        let path = sys::temporary().join(&name);
        if sys::is_short_enough(&path) {
            path
        } else {
            PathBuf::from(sys::SHORT_DIRECTORY).join(name)
        }
    }

    /// The environment entry that marks the tree.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.name)
    }

    /// Waits until `current` is satisfied by what has arrived, also by what has arrived at the deadline.
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

    /// Looks at what is known, with what has arrived taken in.
    pub(crate) fn current<T>(&self, look: impl Fn(&State) -> T) -> T {
        if self.is_foreign() {
            // Not even the lock: a thread that is not in this process may hold it.
            return look(&State::lost());
        }
        self.reader.current(|state| look(state))
    }

    /// Looks at what is known, without another look at the socket.
    pub(crate) fn cached<T>(&self, look: impl Fn(&State) -> T) -> T {
        self.reader.cached(|state| look(state))
    }

    /// Fails if the supervisor ended before it said a word.
    pub(crate) fn came_up(&self) -> io::Result<()> {
        let is_up = self.cached(|state| state.is_up || !state.lost);
        if is_up { Ok(()) } else { Err(ended_early()) }
    }

    /// The supervisor's process.
    fn process(&self) -> &Process {
        &self.reader.source().supervisor
    }
}
