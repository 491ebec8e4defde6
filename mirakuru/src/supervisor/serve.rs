//! The supervisor's loop: wait, take requests, drain, reap, stop, answer.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};
use nix::unistd::{Pid, getppid};

use super::clients::Clients;
use super::drain::Drain;
use super::stopping::Stopping;
use super::timeline::Timeline;
use super::tree::Tree;
use crate::port::Lease;
use crate::protocol::{Event, GRACE, Gone, Service, StopPlan, Stream};
use crate::sys::{self, ProcessFd, Wakeups};
use crate::tmpdir;

/// What a supervisor is given at its start.
pub(super) struct Role {
    pub(super) link: UnixStream,
    pub(super) owner: ProcessFd,
    /// Our parent, where it is the owner.
    pub(super) owner_pid: Option<Pid>,
    pub(super) name: String,
}

pub(super) struct Server {
    pub(super) name: String,
    pub(super) owner: ProcessFd,
    pub(super) owner_pid: Option<Pid>,
    pub(super) clients: Clients,
    pub(super) wakeups: Wakeups,
    pub(super) oom_score: Option<String>,
    pub(super) tree: Tree,
    pub(super) drains: [Option<Drain>; 2],
    pub(super) buffer: Vec<u8>,
    pub(super) farewell: StopPlan,
    pub(super) stopping: Option<Stopping>,
    /// What the latest service is, for who comes later.
    pub(super) service: Service,
    pub(super) captures: [Option<OwnedFd>; 2],
    pub(super) path_watch: PathWatch,
    pub(super) directory: Option<PathBuf>,
    /// The directory stays, with the output in it.
    pub(super) keep: bool,
    /// To be removed with the tree.
    pub(super) pid_file: Option<PathBuf>,
    pub(super) timeline: Option<Timeline>,
    pub(super) leases: Vec<Lease>,
    /// The test process hung up: nobody can ask for anything any more.
    pub(super) leaving: bool,
    pub(super) owner_ended: bool,
}

/// The watch of a path. What is told is told once and then waits to be asked for again, so that a
/// test process that does not listen is never flooded; what changes meanwhile is kept in mind.
#[derive(Default)]
pub(super) struct PathWatch {
    /// Who asked.
    pub(super) by: u64,
    pub(super) on: bool,
    pub(super) asked: bool,
    pub(super) changed: bool,
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
        keep: false,
        pid_file: None,
        timeline: None,
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
    let private = server.directory.as_deref();
    let of_the_run = server.clients.door().and_then(Path::parent);
    for directory in [private.filter(|_| !server.keep), of_the_run] {
        directory.into_iter().for_each(tmpdir::remove);
    }
    // That of the locks, if these were the last.
    if let Some(locks) = of_the_run.and_then(Path::parent) {
        let _ = std::fs::remove_dir(locks);
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

    pub(super) fn stop(&mut self, plan: StopPlan) {
        self.forget_path();
        if let Some(timeline) = &mut self.timeline {
            timeline.stopped();
        }
        self.stopping = Some(Stopping::begin(plan, &self.tree, Instant::now()));
    }

    /// Nobody listens any more: stop the tree in the way agreed, then end.
    pub(super) fn leave(&mut self) {
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

    pub(super) fn drain(&mut self) {
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
        if let Some(file) = self.pid_file.take() {
            let _ = std::fs::remove_file(file);
        }
        if let Some(directory) = self.directory.as_deref().filter(|_| self.keep) {
            tmpdir::keep_output(directory, self.service.number, &mut self.captures);
        }
        if let Some(timeline) = self.timeline.take() {
            timeline.end();
        }
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
    pub(super) fn tell(&mut self, event: &Event) {
        self.clients.tell(self.clients.asking, event, &[]);
    }
}
