//! The supervisor's loop: wait, take requests, drain, reap, stop, answer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};
use nix::unistd::{Pid, getppid};

use super::clients::Clients;
use super::directory;
use super::drain::Drain;
use super::launch::{Launched, failure, launch};
use super::protocol::{Event, GRACE, Gone, Launch, Leased, Request, Service, StopPlan, Stream};
use super::stopping::Stopping;
use super::tree::Tree;
use crate::port::{self, Lease, Taken};
use crate::sys::{self, ProcessFd, Wakeups};

/// What a supervisor is given at its start.
pub(super) struct Role {
    pub(super) link: UnixStream,
    pub(super) owner: ProcessFd,
    /// Our parent, where it is the owner.
    pub(super) owner_pid: Option<Pid>,
    pub(super) name: String,
}

struct Server {
    name: String,
    owner: ProcessFd,
    owner_pid: Option<Pid>,
    clients: Clients,
    wakeups: Wakeups,
    oom_score: Option<String>,
    tree: Tree,
    drains: [Option<Drain>; 2],
    buffer: Vec<u8>,
    farewell: StopPlan,
    stopping: Option<Stopping>,
    /// What the latest service is, for who comes later.
    service: Service,
    captures: [Option<OwnedFd>; 2],
    path_watch: PathWatch,
    directory: Option<PathBuf>,
    leases: Vec<Lease>,
    /// The test process hung up: nobody can ask for anything any more.
    leaving: bool,
    owner_ended: bool,
}

/// The watch of a path. What is told is told once and then waits to be asked for again, so that a
/// test process that does not listen is never flooded; what changes meanwhile is kept in mind.
#[derive(Default)]
struct PathWatch {
    /// Who asked.
    by: u64,
    on: bool,
    asked: bool,
    changed: bool,
}

/// Serves until the executor is dropped or the test process is gone.
pub(super) fn serve(role: Role) {
    let mut server = Server {
        name: role.name,
        owner: role.owner,
        owner_pid: role.owner_pid,
        clients: Clients::new(role.link),
        wakeups: Wakeups::new(),
        oom_score: sys::lower_oom_score(),
        tree: Tree::default(),
        drains: [None, None],
        buffer: vec![0; 64 * 1024],
        farewell: StopPlan::ABRUPT,
        stopping: None,
        service: Service::default(),
        captures: [None, None],
        path_watch: PathWatch::default(),
        directory: None,
        leases: Vec::new(),
        leaving: false,
        owner_ended: false,
    };
    server.greet();
    while !server.has_nothing_left_to_do() {
        let woken = server.wait();
        server.take_requests();
        server.notice_owner(woken.owner);
        server.drain();
        server.reap();
        server.advance_stop();
        server.answer_watches();
    }
    for directory in [
        server.directory.as_deref(),
        server.clients.door().and_then(Path::parent),
    ] {
        directory.into_iter().for_each(directory::remove);
    }
    // Last: who queues for the port finds nothing of the tree. What follows ends without dropping.
    server.leases.clear();
}

/// What `wait` saw that no other look shows.
struct Woken {
    owner: bool,
}

impl Server {
    fn greet(&mut self) {
        let own = ProcessFd::open(Pid::this())
            .ok()
            .and_then(ProcessFd::into_message);
        let fds: Vec<_> = own.iter().map(AsFd::as_fd).collect();
        self.clients.tell(self.clients.asking, &Event::Hello, &fds);
    }

    fn has_nothing_left_to_do(&self) -> bool {
        self.leaving && self.tree.is_empty() && self.stopping.is_none()
    }

    /// Waits until anything happens that one of the following steps would see, or is due.
    fn wait(&self) -> Woken {
        let (signals, longest) = self.wakeups.wakeup();
        let now = Instant::now();
        let next = self
            .stopping
            .as_ref()
            .map(|stopping| stopping.next_look(&self.tree, now));
        // A socket at its end is always readable, and has nothing to say.
        let links = self.clients.wakeups().filter(|_| !self.leaving);
        let owner = self.owner.wakeup().filter(|_| !self.owner_ended);
        let pipes = self.drains.iter().flatten().filter_map(Drain::wakeup);
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<_> = owner
            .into_iter()
            .chain(links)
            .chain(signals)
            .chain(pipes)
            .map(readable)
            .collect();
        let _ = sys::poll_for(&mut fds, Some(next.unwrap_or(longest).min(longest)));
        let owner_woke = owner.is_some() && fds[0].any() == Some(true);
        Woken {
            owner: owner_woke || self.owner_pid.is_some_and(|owner| getppid() != owner),
        }
    }

    fn take_requests(&mut self) {
        if self.leaving {
            return;
        }
        self.clients.accept(&self.name);
        for id in self.clients.ids() {
            let received = self.clients.receive(id);
            self.clients.asking = id;
            for frame in received.frames {
                match Request::decode(&frame.bytes) {
                    Some(Request::Launch(order)) => self.launch(&order, frame.fds),
                    Some(request) => self.serve(request),
                    None => self.lose(id),
                }
            }
            if received.ended {
                self.lose(id);
            }
        }
    }

    /// The executor is gone, or the exit hook hung up: the process may still wait. What a run shares
    /// does not depend on one of its tests.
    fn lose(&mut self, id: u64) {
        if self.owner_pid.is_some() {
            self.leave();
        } else {
            self.clients.remove(id);
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::MakeDirectory(parent) => self.make_directory(&parent),
            Request::Lease {
                directory,
                port,
                holder,
            } => {
                let leased = self.lease(&directory, port, &holder);
                self.tell(&Event::Leased(leased));
            }
            Request::Release(port) => self.leases.retain(|lease| lease.port != port),
            Request::Signal(signal) => self.tree.signal_service(signal),
            Request::Stop(plan) => self.stop(plan),
            Request::WatchOutput(stream, seen) => {
                if let Some(client) = self.clients.get(self.clients.asking) {
                    client.watched_output[stream as usize] = Some(seen);
                }
            }
            Request::WatchPath(path) => self.watch_path(&path),
            Request::ForgetPath => self.forget_path(),
            Request::Bye => self.leave(),
            Request::Share {
                runner,
                started,
                socket,
            } => {
                let shared = self.share(runner, started, &socket);
                let shared = shared.map_err(|error| failure("share it with the run", &error));
                self.tell(&Event::Shared(shared));
            }
            Request::Describe(description) => {
                self.service.description = Some(description);
            }
            Request::Attach => self.tell_of_service(),
            Request::Launch(_) => unreachable!("taken together with its descriptors"),
        }
    }

    /// From now on the runner's life counts, not that of the test that came first.
    fn share(&mut self, runner: u32, started: u64, socket: &Path) -> io::Result<()> {
        let pid = Pid::from_raw(runner.try_into().map_err(io::Error::other)?);
        let runner = ProcessFd::open(pid)?;
        // Looked at after it was opened: the pid may have been given to another in between.
        if sys::started_at(pid) != Some(started) {
            return Err(nix::Error::ESRCH.into());
        }
        self.clients.open_door(socket)?;
        self.owner = runner;
        self.owner_pid = None;
        Ok(())
    }

    fn tell_of_service(&mut self) {
        let fds: Vec<_> = self.captures.iter().flatten().map(AsFd::as_fd).collect();
        let service = Service {
            directory: self.directory.clone(),
            captured: [self.captures[0].is_some(), self.captures[1].is_some()],
            ..self.service.clone()
        };
        let asking = self.clients.asking;
        self.clients
            .tell(asking, &Event::Service(Box::new(service)), &fds);
    }

    fn lease(&mut self, directory: &Path, port: Option<u16>, holder: &str) -> Leased {
        // The file of a port that is ours must not be opened again.
        if let Some(port) = port.filter(|port| self.leases.iter().any(|held| held.port == *port)) {
            return Leased::Granted(port);
        }
        let taken = match port {
            Some(port) => Lease::take(directory, port, holder),
            None => port::pick(directory, holder).map(Taken::Here),
        };
        match taken {
            Ok(Taken::Here(lease)) => {
                let port = lease.port;
                self.leases.push(lease);
                Leased::Granted(port)
            }
            Ok(Taken::Elsewhere(holder)) => Leased::Elsewhere(holder),
            Err(error) => Leased::Refused(failure("lease a port", &error)),
        }
    }

    fn watch_path(&mut self, path: &Path) {
        if !self.path_watch.on {
            self.path_watch.on = self.wakeups.watch(path);
        }
        self.path_watch.asked = true;
        self.path_watch.by = self.clients.asking;
    }

    fn forget_path(&mut self) {
        self.wakeups.forget();
        self.path_watch = PathWatch::default();
    }

    fn make_directory(&mut self, parent: &Path) {
        // Two threads may have asked at once: there is one.
        let known = self.directory.take().map(Ok);
        let made = known.unwrap_or_else(|| directory::make(parent, &self.name));
        self.directory = made.as_ref().ok().cloned();
        let answer = made.map_err(|error| failure("make a temporary directory", &error));
        self.tell(&Event::Directory(answer));
    }

    fn launch(&mut self, order: &Launch, fds: Vec<OwnedFd>) {
        self.farewell = order.farewell;
        // What was awaited of an earlier service is not this one's.
        for client in self.clients.iter_mut() {
            client.watched_output = [None, None];
        }
        self.forget_path();
        self.hand_over_directory(order);
        match launch(order, fds, self.oom_score.as_deref()) {
            Ok(Launched { main, drains }) => {
                self.tree = Tree::new(main);
                self.drains = drains;
                let pid = main.as_raw().unsigned_abs();
                self.note_service(pid);
                self.tell(&Event::Launched(Ok(pid)));
            }
            Err(failure) => self.tell(&Event::Launched(Err(failure))),
        }
    }

    /// For who comes later, and for the others: what they know is of a service before.
    fn note_service(&mut self, pid: u32) {
        self.captures = [0, 1].map(|index| self.drains[index].as_ref().and_then(Drain::file));
        self.service = Service {
            number: self.service.number + 1,
            pid,
            ..Service::default()
        };
        let asking = self.clients.asking;
        for id in self.clients.ids().into_iter().filter(|id| *id != asking) {
            self.clients.tell(id, &Event::Began, &[]);
        }
    }

    /// The private directory is the service's user's own.
    fn hand_over_directory(&self, order: &Launch) {
        if let (Some(directory), Some(identity)) = (&self.directory, &order.identity) {
            let owner = (Some(identity.uid), Some(identity.gid));
            let _ = std::os::unix::fs::chown(directory, owner.0, owner.1);
        }
    }

    fn stop(&mut self, plan: StopPlan) {
        self.forget_path();
        self.stopping = Some(Stopping::begin(plan, &self.tree, Instant::now()));
    }

    /// Nobody listens any more: stop the tree in the way agreed, then end.
    fn leave(&mut self) {
        self.leaving = true;
        if self.stopping.is_none() {
            self.stop(self.farewell);
        }
    }

    /// The end of the test process is not told by the socket where a forked child holds it too.
    fn notice_owner(&mut self, ended: bool) {
        if !ended || self.owner_ended {
            return;
        }
        self.owner_ended = true;
        self.farewell.patience = self.farewell.patience.min(GRACE);
        self.leave();
        if let Some(stopping) = &mut self.stopping {
            stopping.hurry(GRACE, Instant::now());
        }
    }

    fn drain(&mut self) {
        for drain in self.drains.iter_mut().flatten() {
            drain.take(&mut self.buffer);
        }
        let lost = self
            .drains
            .iter_mut()
            .flatten()
            .find_map(Drain::news_of_loss);
        if let Some(failure) = lost {
            self.clients.tell_all(&Event::OutputLost(failure));
        }
    }

    fn reap(&mut self) {
        self.path_watch.changed |= self.wakeups.take() && self.path_watch.on;
        let reaped = self.tree.reap();
        if let Some(code) = reaped.exit {
            // What it printed last may have come in since: it must be in the file first.
            self.drain();
            self.service.exit = Some(code);
            self.clients.tell_all(&Event::Exited(code));
        }
        if reaped.emptied && self.stopping.is_none() {
            self.service.empty = true;
            self.clients.tell_all(&Event::Empty);
        }
    }

    fn advance_stop(&mut self) {
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        let Some(gone) = stopping.advance(&self.tree, Instant::now()) else {
            return;
        };
        self.stopping = None;
        if self.leaving && !gone.survivors.is_empty() {
            // Nobody hears of them, and nobody else will try again.
            self.stop(StopPlan::ABRUPT);
            return;
        }
        self.drain();
        self.close(gone);
    }

    fn close(&mut self, gone: Gone) {
        // Given up on where something survived: the error lists it.
        self.tree = Tree::default();
        self.drains = [None, None];
        self.service.empty |= gone.survivors.is_empty();
        self.clients.tell_all(&Event::Gone(gone));
    }

    fn answer_watches(&mut self) {
        if self.path_watch.asked && self.path_watch.changed {
            (self.path_watch.asked, self.path_watch.changed) = (false, false);
            self.clients.tell(self.path_watch.by, &Event::Path, &[]);
        }
        let written = [0, 1].map(|index| self.drains[index].as_ref().map_or(0, Drain::written));
        let mut due = Vec::new();
        for client in self.clients.iter_mut() {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let index = stream as usize;
                if client.watched_output[index]
                    .take_if(|seen| *seen < written[index])
                    .is_some()
                {
                    due.push((client.id, stream));
                }
            }
        }
        for (id, stream) in due {
            self.clients.tell(id, &Event::Output(stream), &[]);
        }
    }

    /// To who asked.
    fn tell(&mut self, event: &Event) {
        self.clients.tell(self.clients.asking, event, &[]);
    }
}
