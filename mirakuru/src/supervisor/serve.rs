//! Runs the supervisor's loop: wait, take requests, drain, reap, stop, answer.
//!
//! No wait relies on one wake-up alone: each ends after a second at most. The owner is the test process, or the runner
//! if a run shares the service. A fork of the owner holds the socket too, so the pidfd of the owner decides when the
//! owner has ended; the end of the socket, or another parent, counts as well. The tree then has two seconds to end.

use std::path::Path;
use std::time::Instant;

use super::clients::Clients;
use super::execs::Running;
use super::service::Service;
use super::stopping::Stopping;
use super::watches::{PathWatch, answer_output_watches};
use crate::port::Lease;
use crate::protocol::{Event, GRACE, Gone, Reply, StopPlan};
use crate::run::InUse;
use crate::sys::{self, Pid, Process, Socket, Stoppable, Wakeups};
use crate::tmpdir::Private;

/// The parameters of a supervisor.
pub(super) struct Role {
    pub(super) link: Socket,
    pub(super) owner: Process,
    /// The pid of our parent, if that is the owner.
    pub(super) owner_pid: Option<Pid>,
    pub(super) name: String,
}

/// A client that requested a stop.
pub(super) struct Stopper {
    pub(super) client: u64,
    pub(super) number: Option<u64>,
    /// The port whose lease this stop gives back.
    pub(super) release: Option<u16>,
}

pub(super) struct Server {
    pub(super) name: String,
    /// The process that this supervisor serves and does not outlive: the test process, or the runner if a run shares
    /// the service.
    pub(super) owner: Process,
    /// The pid of our parent, if that is the owner.
    pub(super) owner_pid: Option<Pid>,
    owner_ended: bool,
    pub(super) clients: Clients,
    /// The lock on the directory of the run that shares the service.
    pub(super) run: Option<InUse>,
    pub(super) wakeups: Wakeups,
    pub(super) path_watch: PathWatch,
    pub(super) oom_score: Option<String>,
    buffer: Vec<u8>,
    pub(super) service: Service,
    pub(super) on_owner_exit: StopPlan,
    pub(super) stopping: Option<Stopping>,
    /// The running commands of checks.
    pub(super) execs: Vec<Running>,
    pub(super) stoppers: Vec<Stopper>,
    pub(super) directory: Option<Private>,
    /// Keep the directory, with the output in it, when the supervisor ends.
    pub(super) keep: bool,
    pub(super) leases: Vec<Lease>,
    /// The test process hung up: no client can request anything any more.
    pub(super) leaving: bool,
}

/// Serves until the executor is dropped or the test process is gone.
pub(super) fn serve(role: Role) {
    Server::new(role, sys::lower_oom_score()).run();
}

impl Server {
    pub(super) fn new(role: Role, oom_score: Option<String>) -> Self {
        Self {
            name: role.name,
            owner: role.owner,
            owner_pid: role.owner_pid,
            owner_ended: false,
            clients: Clients::new(role.link),
            run: None,
            wakeups: Wakeups::new(),
            path_watch: PathWatch::default(),
            oom_score,
            buffer: vec![0; 64 * 1024],
            service: Service::default(),
            on_owner_exit: StopPlan::ABRUPT,
            stopping: None,
            execs: Vec::new(),
            stoppers: Vec::new(),
            directory: None,
            keep: false,
            leases: Vec::new(),
            leaving: false,
        }
    }

    pub(super) fn run(mut self) {
        while !self.has_nothing_left_to_do() {
            let owner_ended = self.wait();
            // First: a change that arrives after this line, and that the steps below miss, wakes the next wait.
            self.path_watch.note(self.wakeups.take());
            self.take_requests();
            if owner_ended && !self.owner_ended {
                self.lose_owner();
            }
            self.drain();
            self.take_notices();
            self.reap();
            self.advance_stop();
            self.path_watch.answer(&mut self.clients);
            answer_output_watches(&mut self.clients, self.service.written());
        }
        if let Some(private) = &self.directory {
            // The test process removes the rest after it has looked at it.
            let _ = if self.keep {
                private.remove_short()
            } else {
                private.remove()
            };
        }
        if let Some(of_the_run) = self.clients.door().and_then(Path::parent) {
            let _ = sys::remove_lockable(of_the_run);
            // Removes the directory of the locks too, if these were the last.
            let _ = of_the_run.parent().map(std::fs::remove_dir);
        }
        // Last: a process that queues for the port must find nothing of the tree. The code after this exits without
        // dropping.
        self.leases.clear();
    }

    fn has_nothing_left_to_do(&self) -> bool {
        self.leaving && self.service.tree.is_empty() && self.stopping.is_none()
    }

    /// Waits until an event arrives that one of the following steps handles, or until a step is due. Returns whether
    /// the owner has ended, which no other step notices.
    fn wait(&self) -> bool {
        let (signals, longest) = self.wakeups.wakeup();
        let next = self
            .stopping
            .as_ref()
            .map_or(longest, |stopping| stopping.next_look(Instant::now()));
        let next = next
            .min(self.limit_execs())
            .min(self.service.tree.next_look())
            .min(self.clients.next_look());
        // A socket at its end is always readable, and has no more messages.
        let links = self.clients.wakeups().filter(|_| !self.leaving);
        let owner = self.owner.wakeup().filter(|_| !self.owner_ended);
        let others = links.chain(signals).chain(self.service.wakeups());
        let woken = sys::await_readable(owner.into_iter().chain(others), next.min(longest));
        (owner.is_some() && woken.is_some_and(|woken| woken[0]))
            || self.owner_pid.is_some_and(|owner| sys::parent() != owner)
    }

    pub(super) fn stop(&mut self, plan: StopPlan) {
        self.path_watch.end(&mut self.wakeups);
        self.service.note_stop();
        let (tree, now) = (&self.service.tree, Instant::now());
        match &mut self.stopping {
            Some(stopping) => stopping.join(plan, tree, now),
            None => self.stopping = Some(Stopping::begin(plan, tree, now)),
        }
    }

    /// Stops the tree as configured for the owner's exit, and then ends: no client listens any more.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        if self.stopping.is_none() {
            self.stop(self.on_owner_exit);
        }
    }

    /// Handles the end of the test process. The socket does not show it if a forked child still holds the socket.
    fn lose_owner(&mut self) {
        self.owner_ended = true;
        self.leave_within_grace();
    }

    /// Leaves, and gives the tree two seconds: no process waits for the end.
    pub(super) fn leave_within_grace(&mut self) {
        self.leave();
        if let Some(stopping) = &mut self.stopping {
            stopping.hurry(GRACE, Instant::now());
        }
    }

    pub(super) fn drain(&mut self) {
        if let Some(failure) = self.service.drain(&mut self.buffer) {
            self.clients.send_to_all(&Event::OutputLost(failure));
        }
        for stream in self.service.news_of_ends() {
            self.clients.send_to_all(&Event::OutputClosed(stream));
        }
    }

    fn reap(&mut self) {
        let reaped = self.service.tree.reap();
        self.end_execs(&reaped.children);
        if let Some(code) = reaped.exit {
            // Output may have arrived just before the exit: it must be in the file first.
            self.drain();
            self.service.description.exit = Some(code);
            self.clients.send_to_all(&Event::Exited(code));
        }
        if reaped.emptied && self.stopping.is_none() {
            self.service.description.empty = true;
            self.clients.send_to_all(&Event::Empty);
        }
    }

    fn advance_stop(&mut self) {
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        let Some(gone) = stopping.advance(&self.service.tree, Instant::now()) else {
            return;
        };
        if self.leaving && !gone.survivors.is_empty() {
            stopping.persist(Instant::now());
            return;
        }
        self.stopping = None;
        self.drain();
        let kept = self.directory.as_ref().filter(|_| self.keep);
        self.service.close(kept);
        self.report_stop(&gone);
    }

    /// Replies to the clients that requested the stop, after their ports are free, and reports it to the other clients.
    fn report_stop(&mut self, gone: &Gone) {
        let stoppers = std::mem::take(&mut self.stoppers);
        let mut given_back = Vec::new();
        if gone.survivors.is_empty() {
            self.service.description.empty = true;
            let is_stopper = |id: &u64| stoppers.iter().any(|stopper| stopper.client == *id);
            for id in self.clients.ids().into_iter().filter(|id| !is_stopper(id)) {
                self.clients.send_event(id, Event::Empty, &[]);
            }
            for port in stoppers.iter().filter_map(|stopper| stopper.release) {
                given_back.extend(self.release(port));
            }
        }
        for Stopper { client, number, .. } in stoppers {
            let reply = Reply::Gone(gone.clone());
            self.clients.reply(client, number, reply, &[]);
        }
        // Closes the files of the leases after the replies.
        drop(given_back);
    }
}
