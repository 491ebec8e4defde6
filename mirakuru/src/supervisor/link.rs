//! The test's end of a supervisor: requests go out, events come in, any number of threads wait.
//!
//! There is no reading thread. Whoever waits first reads the socket for all; when it has what it
//! wants, the next takes over. A wait therefore costs one `poll`, and an idle executor nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::directory;
use super::open::{await_greeting, read_events, run_again, unique_name};
use super::protocol::{
    Event, Failure, Gone, HANDSHAKE, KILL_BOUND, Launch, Leased, MARK, Request, StopPlan, Stream,
};
use super::state::State;
use super::sweep::sweep;
use super::wire::{self, Inbox};
use crate::environment::{self, Keep};
use crate::exit::{self, Permit};
use crate::sys::{self, ProcessFd};
use crate::wait::Deadline;

/// How long a supervisor may take to come up, and to end once nothing is left to do: generous, as
/// only a machine in trouble gets there.
pub(super) const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

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
    pub(super) shared: AtomicBool,
    /// Held for a whole frame.
    sending: Mutex<()>,
    /// Held by the thread that reads.
    inbox: Mutex<Inbox>,
    state: Mutex<State>,
    changed: Condvar,
    /// Milliseconds that the tree may take to stop; read by the exit hook, which takes no lock.
    patience: AtomicU64,
    /// The private directory; known without a lock, for the exit hook.
    pub(super) directory: OnceLock<PathBuf>,
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

    pub(super) fn new(
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
            let events = self.read(remaining);
            // Nothing had arrived when the deadline passed, or it has been taken in.
            last = deadline.has_passed();
            state = self.state();
            state.reading = false;
            match events {
                Some(events) => events
                    .into_iter()
                    .for_each(|(event, fds)| state.apply(event, fds)),
                None => state.lost = true,
            }
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

    /// Waits for events and takes them in; `None` at the end of the socket.
    fn read(&self, wait: Duration) -> Option<Vec<(Event, Vec<OwnedFd>)>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        read_events(&self.socket, self.supervisor.wakeup(), &mut inbox, wait)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self, request: &Request) {
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

    /// The private directory, made on the first call; `None` if the supervisor does not answer.
    pub(crate) fn directory(&self, deadline: Deadline) -> Option<Result<PathBuf, Failure>> {
        if let Some(made) = self.directory.get() {
            return Some(Ok(made.clone()));
        }
        self.state().directory = None;
        self.ask(&Request::MakeDirectory(directory::parent()));
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

    /// The process that everything of the tree descends from.
    pub(crate) fn supervisor(&self) -> u32 {
        self.pid
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
        self.state().begin_service();
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        self.ask_with(&Request::Launch(Box::new(order)), &fds, deadline);
        self.wait(deadline, |state| state.launched.clone())
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
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            self.ask(&Request::WatchPath(path));
        }
    }

    /// Changes beside the path are no news any more.
    pub(crate) fn forget_path(&self) {
        self.state().watches.path = false;
        self.ask(&Request::ForgetPath);
    }

    /// Brings the tree down and waits for the kernel's word that it is gone. `None` if the
    /// supervisor was killed, or hangs; then it is killed and the tree swept.
    pub(crate) fn stop(&self, plan: StopPlan) -> Option<Gone> {
        let patience = plan.patience.saturating_mul(2);
        self.stop_within(plan, patience.saturating_add(KILL_BOUND + SUPERVISOR_BOUND))
    }

    /// The same with another bound on how long the supervisor may take to answer.
    pub(crate) fn stop_within(&self, plan: StopPlan, bound: Duration) -> Option<Gone> {
        self.state().gone = None;
        self.ask(&Request::Stop(plan));
        let gone = self.wait(Deadline::after(bound), |state| state.gone.clone());
        if gone.is_none() {
            self.give_up();
        }
        gone
    }

    /// The supervisor is of no use any more: it goes, and the kernel kills the service with it.
    fn give_up(&self) {
        // What a run shares is not this process's to kill.
        if !self.is_shared() {
            let _ = self.supervisor.signal(nix::libc::SIGKILL);
        }
        self.state().lost = true;
        self.swept();
    }

    /// What a killed supervisor left behind, swept on the first call.
    pub(crate) fn swept(&self) -> &[(u32, String)] {
        // Of what a run shares, the end of the socket does not mean the end of the supervisor.
        if self.is_shared() && !self.supervisor.ended_within(Duration::ZERO) {
            return &[];
        }
        self.swept.get_or_init(|| {
            // The service gets the kernel's signal when the supervisor's end is complete.
            self.supervisor.ended_within(KILL_BOUND);
            self.supervisor.reap();
            let swept = sweep(&self.name);
            if let Some(directory) = self
                .directory
                .get()
                .filter(|_| environment::keep() == Keep::Nobodys)
            {
                directory::remove(directory);
            }
            swept
        })
    }

    /// The end of a supervisor whose tree is gone: waits until it cleaned up and ended, and leaves
    /// no zombie.
    pub(crate) fn close(self: &Arc<Self>) {
        if self.is_shared() {
            return;
        }
        self.ask(&Request::Bye);
        self.await_end(Deadline::after(SUPERVISOR_BOUND));
        exit::unregister(self);
    }

    /// Hangs up, also where a forked child holds the socket too: the tree is brought down.
    pub(crate) fn hang_up(&self) {
        sys::hang_up(&self.socket);
    }

    /// Waits for the end of a supervisor that was told to. One that was killed instead, or has to
    /// be now, leaves what the mark finds. Takes no lock: the exit hook comes here.
    pub(crate) fn await_end(&self, deadline: Deadline) {
        let ended = self.supervisor.ended_within(deadline.remaining());
        if !ended {
            let _ = self.supervisor.signal(nix::libc::SIGKILL);
        }
        if !(ended && self.supervisor.reap()) {
            self.swept();
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }
}
