//! The test's end of a supervisor: requests go out, events come in, any number of threads wait.
//!
//! There is no reading thread. Whoever waits first reads the socket for all; when it has what it
//! wants, the next takes over. A wait therefore costs one `poll`, and an idle executor nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use super::protocol::{
    ENTRY, Event, Failure, Gone, HANDSHAKE, KILL_BOUND, Launch, MARK, Request, SUPERVISOR,
    StopPlan, Stream,
};
use super::sweep::sweep;
use super::wire::{self, Arrived, Inbox};
use crate::exit::{self, Permit};
use crate::sys::{self, ProcessFd};
use crate::wait::Deadline;

/// How long a supervisor may take to come up, and to end once nothing is left to do: generous, as
/// only a machine in trouble gets there.
const SUPERVISOR_BOUND: Duration = Duration::from_secs(30);

/// One supervisor, from the test process.
pub(crate) struct Link {
    /// In the environment of every process of its tree.
    name: String,
    socket: UnixStream,
    supervisor: ProcessFd,
    /// Held for a whole frame.
    sending: Mutex<()>,
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

/// What the supervisor has told, of the latest service.
#[derive(Debug, Default)]
pub(crate) struct State {
    reading: bool,
    pub(crate) directory: Option<Result<PathBuf, Failure>>,
    pub(crate) launched: Option<Result<u32, Failure>>,
    /// Which service of this supervisor the rest is told of.
    service: u64,
    /// How earlier services ended.
    former_exits: Vec<(u64, i32)>,
    pub(crate) exit: Option<i32>,
    /// No process of the tree is left.
    pub(crate) empty: bool,
    pub(crate) gone: Option<Gone>,
    pub(crate) output_lost: Option<Failure>,
    /// Counted, so that each who waits sees whether there was one since it looked.
    output_news: [u64; 2],
    pub(crate) path_news: u64,
    /// A watch for this stream's output is on its way.
    output_watched: [bool; 2],
    /// The socket came to its end without our asking: somebody killed the supervisor.
    pub(crate) lost: bool,
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
        let (inbox, supervisor) = match await_greeting(&socket, child.id(), bound) {
            Ok(greeted) => greeted,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let link = Arc::new(Self {
            name,
            socket,
            supervisor,
            sending: Mutex::default(),
            inbox: Mutex::new(inbox),
            state: Mutex::default(),
            changed: Condvar::new(),
            patience: AtomicU64::new(0),
            directory: OnceLock::new(),
            swept: OnceLock::new(),
        });
        permit.register(&link);
        Ok(link)
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
                let waited = self
                    .changed
                    .wait_timeout(state, remaining.min(SUPERVISOR_BOUND));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            // At the deadline, what has arrived is looked at once more.
            last = remaining.is_zero();
            state.reading = true;
            drop(state);
            let events = self.read(remaining);
            state = self.state();
            state.reading = false;
            match events {
                Some(events) => events.into_iter().for_each(|event| state.apply(event)),
                None => state.lost = true,
            }
            // Also wakes who takes over the reading.
            self.changed.notify_all();
        }
    }

    /// What is known now, with what has arrived taken in.
    pub(crate) fn look<T>(&self, look: impl Fn(&State) -> T) -> T {
        self.wait(Deadline::after(Duration::ZERO), |_| None::<()>);
        look(&self.state())
    }

    /// Waits for events and takes them in; `None` at the end of the socket.
    fn read(&self, wait: Duration) -> Option<Vec<Event>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        read_events(&self.socket, &mut inbox, wait)
            .map(|events| events.into_iter().map(|(event, _)| event).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: &Request) {
        self.ask_with(request, &[]);
    }

    /// A supervisor that cannot be reached shows by the end of the socket.
    fn ask_with(&self, request: &Request, fds: &[std::os::fd::BorrowedFd<'_>]) {
        let _whole_frame = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = wire::send(&self.socket, &request.encode(), fds);
    }

    /// The private directory, made on the first call; `None` if the supervisor does not answer.
    pub(crate) fn directory(&self, deadline: Deadline) -> Option<Result<PathBuf, Failure>> {
        if let Some(made) = self.directory.get() {
            return Some(Ok(made.clone()));
        }
        self.state().directory = None;
        self.ask(&Request::MakeDirectory(std::env::temp_dir()));
        let made = self.wait(deadline.or_sooner(SUPERVISOR_BOUND), |state| {
            state.directory.clone()
        })?;
        Some(made.map(|made| self.directory.get_or_init(|| made).clone()))
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
        self.ask_with(&Request::Launch(Box::new(order)), &fds);
        self.wait(deadline, |state| state.launched.clone())
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.ask(&Request::Signal(signal));
    }

    /// Has the next output beyond `seen` counted as news. One watch is on its way at a time.
    pub(crate) fn watch_output(&self, stream: Stream, seen: u64) {
        let watched = std::mem::replace(&mut self.state().output_watched[stream as usize], true);
        if !watched {
            self.ask(&Request::WatchOutput(stream, seen));
        }
    }

    /// Has every change beside this path counted as news, until the stop.
    pub(crate) fn watch_path(&self, path: PathBuf) {
        self.ask(&Request::WatchPath(path));
    }

    /// Brings the tree down and waits for the kernel's word that it is gone. `None` if the
    /// supervisor was killed, or hangs; then it is killed and the tree swept.
    pub(crate) fn stop(&self, plan: StopPlan) -> Option<Gone> {
        self.state().gone = None;
        self.ask(&Request::Stop(plan));
        let bound = plan
            .patience
            .saturating_mul(2)
            .saturating_add(KILL_BOUND + SUPERVISOR_BOUND);
        let gone = self.wait(Deadline::after(bound), |state| state.gone.clone());
        if gone.is_none() {
            self.give_up();
        }
        gone
    }

    /// The supervisor is of no use any more: it goes, and the kernel kills the service with it.
    fn give_up(&self) {
        let _ = self.supervisor.signal(nix::libc::SIGKILL);
        self.state().lost = true;
        self.swept();
    }

    /// What a killed supervisor left behind, swept on the first call.
    pub(crate) fn swept(&self) -> &[(u32, String)] {
        self.swept.get_or_init(|| {
            // The service gets the kernel's signal when the supervisor's end is complete.
            self.supervisor.ended_within(KILL_BOUND);
            self.supervisor.reap();
            let swept = sweep(&self.name);
            if let Some(directory) = self.directory.get() {
                let _ = std::fs::remove_dir_all(directory);
            }
            swept
        })
    }

    /// The end of a supervisor whose tree is gone: waits until it cleaned up and ended, and leaves
    /// no zombie.
    pub(crate) fn close(self: &Arc<Self>) {
        self.ask(&Request::Bye);
        self.await_end(Deadline::after(SUPERVISOR_BOUND));
        exit::unregister(self);
    }

    /// Hangs up, also where a forked child holds the socket too: the tree is brought down.
    pub(crate) fn hang_up(&self) {
        sys::hang_up(&self.socket);
    }

    /// Waits for the end of a supervisor that was told to. One that was killed instead leaves what
    /// the mark finds.
    pub(crate) fn await_end(&self, deadline: Deadline) {
        if self.supervisor.ended_within(deadline.remaining()) && !self.supervisor.reap() {
            self.swept();
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }
}

impl State {
    /// The number of the service that is started next.
    pub(crate) fn next_service(&self) -> u64 {
        self.service + 1
    }

    /// How this service ended.
    pub(crate) fn exit_of(&self, service: u64) -> Option<i32> {
        let former = || {
            self.former_exits
                .iter()
                .find(|(ended, _)| *ended == service)
        };
        if service == self.service {
            self.exit
        } else {
            former().map(|(_, code)| *code)
        }
    }

    /// This service ended, or another was started since.
    pub(crate) fn has_left(&self, service: u64) -> bool {
        self.service > service || (self.service == service && self.has_ended()) || self.lost
    }

    /// The main process ended, or nobody can say.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || self.empty || self.lost
    }

    pub(crate) fn output_news(&self, stream: Stream) -> u64 {
        self.output_news[stream as usize]
    }

    /// What was told of an earlier service is no longer true.
    fn begin_service(&mut self) {
        let mut former = std::mem::take(self);
        former
            .former_exits
            .extend(former.exit.map(|code| (former.service, code)));
        *self = Self {
            reading: former.reading,
            directory: former.directory,
            output_news: former.output_news,
            path_news: former.path_news,
            output_watched: former.output_watched,
            lost: former.lost,
            service: former.service + 1,
            former_exits: former.former_exits,
            ..Self::default()
        };
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Hello => {}
            Event::Directory(made) => self.directory = Some(made),
            Event::Launched(launched) => self.launched = Some(launched),
            Event::Exited(code) => self.exit = Some(code),
            Event::Empty => self.empty = true,
            Event::Output(stream) => {
                self.output_news[stream as usize] += 1;
                self.output_watched[stream as usize] = false;
            }
            Event::Path => self.path_news += 1,
            Event::OutputLost(failure) => self.output_lost = Some(failure),
            Event::Gone(gone) => {
                self.empty |= gone.survivors.is_empty();
                self.gone = Some(gone);
            }
        }
    }
}

/// Runs this program again as a supervisor. Nothing here keeps std from the fast way to spawn:
/// everything else is close-on-exec, and the supervisor sees to its own session and directory.
fn run_again(name: &str, socket: UnixStream) -> io::Result<Child> {
    Command::new(sys::own_program()?)
        .arg0(SUPERVISOR)
        .env(ENTRY, name)
        .env("LLVM_PROFILE_FILE", "/dev/null")
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn await_greeting(
    socket: &UnixStream,
    pid: u32,
    deadline: Deadline,
) -> io::Result<(Inbox, ProcessFd)> {
    let mut inbox = Inbox::default();
    loop {
        let ended = || io::Error::other("the supervisor ended before it was up");
        let events = read_events(socket, &mut inbox, deadline.remaining()).ok_or_else(ended)?;
        if let Some((_, fds)) = events.into_iter().find(|(event, _)| *event == Event::Hello) {
            let process = ProcessFd::from_message(fds.into_iter().next(), pid).ok_or_else(ended)?;
            return Ok((inbox, process));
        }
        if deadline.has_passed() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the supervisor did not come up in time",
            ));
        }
    }
}

/// What arrives within this time; `None` at the end of the socket.
fn read_events(
    socket: &UnixStream,
    inbox: &mut Inbox,
    wait: Duration,
) -> Option<Vec<(Event, Vec<OwnedFd>)>> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let wait = Some(wait).filter(|wait| *wait != Duration::MAX);
    let _ = sys::poll_for(&mut fds, wait);
    let mut ended = false;
    loop {
        match inbox.receive(socket) {
            Ok(Arrived::Something) => {}
            Ok(Arrived::Nothing) => break,
            Ok(Arrived::End) | Err(_) => {
                ended = true;
                break;
            }
        }
    }
    let mut events = Vec::new();
    while let Some(frame) = inbox.next() {
        events.push((Event::decode(&frame.bytes)?, frame.fds));
    }
    // What was said last counts, before the end does.
    if ended && events.is_empty() {
        None
    } else {
        Some(events)
    }
}

/// A name that no other supervisor has: the standard library's per-process random keys, the pid,
/// and a count.
fn unique_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let salt = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let half = || RandomState::new().hash_one(salt);
    format!("{:016x}{:016x}", half(), half())
}
