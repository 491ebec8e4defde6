//! Connects test processes to a supervisor that a run shares. The process that started it hands it over; the others
//! connect to its socket.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::exit_hook;
use super::open::await_name;
use super::socket::Socket;
use super::{Home, Link, SUPERVISOR_BOUND};
use crate::protocol::{Failure, Reply, Request, Service};
use crate::run::RunPlace;
use crate::sys::{self, Handle, Process};
use crate::tmpdir::Private;
use crate::wait::{self, Deadline};

/// The time that a supervisor has to answer, if it did not answer another test process and is no longer frozen.
const SHORT_BOUND: Duration = Duration::from_secs(2);

impl Link {
    /// Connects to a supervisor that a run shares. If the supervisor did not answer another test process, the wait is
    /// shorter, as otherwise each test of the run would wait the full time.
    pub(crate) fn connect(place: &RunPlace, home: Home) -> io::Result<Arc<Self>> {
        let silence = place.silence();
        let bound = if !silence.exists() {
            SUPERVISOR_BOUND
        } else if place.supervisor_is_stopped() {
            Duration::ZERO
        } else {
            SHORT_BOUND
        };
        let connected = Self::connect_within(&place.socket(), Deadline::after(bound), home);
        match &connected {
            Ok(link) => link.begin_sharing(silence),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => note_silence(&silence),
            Err(_) => {}
        }
        connected.map(Arc::new)
    }

    fn connect_within(path: &Path, deadline: Deadline, home: Home) -> io::Result<Self> {
        let socket = connect(path, deadline)?;
        let peer = sys::peer(&socket).ok_or(io::ErrorKind::Unsupported)?;
        let supervisor = Process::open(peer)?;
        let (inbox, name) = await_name(&socket, deadline)?;
        let socket = Socket::new(socket, supervisor, inbox);
        Ok(Self::new(home, sys::number_of(peer), name, socket))
    }

    /// Hands the supervisor over to the run; from then on this process is one of its clients. Returns `None` if the
    /// supervisor does not answer.
    pub(crate) fn share(self: &Arc<Self>, place: &RunPlace) -> Option<Result<(), Failure>> {
        let request = Request::Share {
            runner: sys::number_of(place.runner.pid),
            started: place.runner.started,
            socket: place.socket(),
        };
        // Before the request: an exit that comes after it must not kill the supervisor of the run.
        self.sharing.store(true, Ordering::SeqCst);
        let answer = self.ask(request);
        if let Some((Reply::Shared(Ok(())), _)) = answer {
            self.begin_sharing(place.silence());
            exit_hook::unregister(self);
        }
        self.sharing.store(false, Ordering::SeqCst);
        match answer? {
            (Reply::Shared(shared), _) => Some(shared),
            _ => None,
        }
    }

    /// Marks the supervisor as the run's. It has answered, so this also removes the note of its silence.
    pub(super) fn begin_sharing(&self, silence: PathBuf) {
        let _ = fs::remove_file(&silence);
        self.silence.get_or_init(|| silence);
    }

    /// Returns whether the supervisor belongs to the run.
    pub(crate) fn is_shared(&self) -> bool {
        self.silence.get().is_some()
    }

    /// Returns whether the supervisor lives but is lost to this process: it did not answer, or it disconnected this
    /// process for not reading.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.current(|state| state.lost) && !self.process().ended_within(Duration::ZERO)
    }

    /// Returns the description of the latest service, and its captured files.
    pub(crate) fn attach(&self) -> Option<(Service, Vec<Handle>)> {
        let (Reply::Service(service), mut files) = self.ask(Request::Attach)? else {
            return None;
        };
        let captured = service.captured.iter().filter(|captured| **captured);
        let handles = files.split_off(captured.count().min(files.len()));
        // If the supervisor is killed, this process removes the directory.
        let directory = service.directory.clone();
        if let Some(directory) = directory.and_then(|path| Private::of(path, handles)) {
            self.directory.get_or_init(|| directory);
        }
        Some((*service, files))
    }
}

/// Connects to the supervisor. If a supervisor accepts no connections, its backlog fills up. A blocking socket would
/// then wait for ever, so this function retries instead.
fn connect(path: &Path, deadline: Deadline) -> io::Result<sys::Socket> {
    loop {
        if let Some(socket) = sys::come_to(path, deadline.remaining())? {
            return Ok(socket);
        }
        if deadline.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wait::pause(wait::next_try(deadline.elapsed()));
    }
}

/// Notes for later test processes that the supervisor does not answer.
pub(super) fn note_silence(silence: &Path) {
    // An error does no harm: without the note, later test processes wait longer.
    let _ = fs::write(silence, "");
}
