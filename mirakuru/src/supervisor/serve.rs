//! The supervisor's loop: wait, take requests, drain, reap, stop, answer.
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

/// What a supervisor is given at its start.
pub(super) struct Role {
    pub(super) link: Socket,
    pub(super) owner: Process,
    /// Our parent, where it is the owner.
    pub(super) owner_pid: Option<Pid>,
    pub(super) name: String,
}

/// A client that asked for a stop.
pub(super) struct Stopper {
    pub(super) client: u64,
    pub(super) number: Option<u64>,
    /// The port whose lease it gives back.
    pub(super) release: Option<u16>,
}

pub(super) struct Server {
    pub(super) name: String,
    /// The process that this one serves, and does not outlive: the test process, or the runner if a run shares
    /// the service.
    pub(super) owner: Process,
    /// Our parent, where it is the owner.
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
    /// The commands of checks that run.
    pub(super) execs: Vec<Running>,
    pub(super) stoppers: Vec<Stopper>,
    pub(super) directory: Option<Private>,
    /// The directory stays, with the output in it.
    pub(super) keep: bool,
    pub(super) leases: Vec<Lease>,
    /// The test process hung up: nobody can ask for anything any more.
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
            // First: what comes after this, and is not seen by the steps below, wakes the next wait.
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
            // The test process looks at what stays.
            let _ = if self.keep {
                private.remove_short()
            } else {
                private.remove()
            };
        }
        if let Some(of_the_run) = self.clients.door().and_then(Path::parent) {
            let _ = sys::remove_lockable(of_the_run);
            // That of the locks, if these were the last.
            let _ = of_the_run.parent().map(std::fs::remove_dir);
        }
        // Last: who queues for the port finds nothing of the tree. What follows ends without dropping.
        self.leases.clear();
    }

    fn has_nothing_left_to_do(&self) -> bool {
        self.leaving && self.service.tree.is_empty() && self.stopping.is_none()
    }

    /// Waits until anything happens that one of the following steps would see, or is due. Whether the owner
    /// has ended, which no other step sees.
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
        // A socket at its end is always readable, and has nothing to say.
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

    /// Nobody listens any more: stop the tree in the way agreed, then end.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        if self.stopping.is_none() {
            self.stop(self.on_owner_exit);
        }
    }

    /// The end of the test process is not told by the socket where a forked child holds it too.
    fn lose_owner(&mut self) {
        self.owner_ended = true;
        self.leave_in_haste();
    }

    /// No process waits for the end: the tree has two seconds.
    pub(super) fn leave_in_haste(&mut self) {
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
        self.end_execs(&reaped.others);
        if let Some(code) = reaped.exit {
            // What it printed last may have come in since: it must be in the file first.
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
        self.stopping = None;
        if self.leaving && !gone.survivors.is_empty() {
            // Nobody hears of them, and nobody else will try again.
            self.stop(StopPlan::ABRUPT);
            return;
        }
        self.drain();
        let kept = self.directory.as_ref().filter(|_| self.keep);
        self.service.close(kept);
        self.report_stop(&gone);
    }

    /// Replies to the clients that asked for the stop, after their ports are free, and reports it to the others.
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
        // Closed after the replies.
        drop(given_back);
    }
}
