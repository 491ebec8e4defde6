//! What test processes ask of a supervisor, and how each request is met.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::unistd::Pid;

use super::clients::Clients;
use super::drain::Drain;
use super::launch::{Launched, launch};
use super::serve::{PathWatch, Server};
use super::timeline::Timeline;
use crate::port::{self, Lease, Taken};
use crate::protocol::{Event, Failure, Launch, Leased, Request, Service};
use crate::sys::{self, ProcessFd};
use crate::tmpdir;

impl Server {
    pub(super) fn take_requests(&mut self) {
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
        // What is told from now on, nobody asked for: it waits for nobody.
        self.clients.asking = Clients::NOBODY;
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
            Request::Release(port) => {
                self.leases.retain(|lease| lease.port != port);
                self.tell(&Event::Released(port));
            }
            Request::Signal(signal) => self.tree.signal_service(signal),
            Request::Stop(plan) => {
                self.tell_others(&Event::Ending);
                self.stop(plan);
            }
            Request::WatchOutput(stream, seen) => {
                if let Some(client) = self.clients.get(self.clients.asking) {
                    client.watched_output[stream as usize] = Some(seen);
                }
            }
            Request::WatchPath(path) => self.watch_path(&path),
            Request::ForgetPath => self.forget_path(),
            Request::Ready(at) => {
                if let Some(timeline) = &mut self.timeline {
                    timeline.ready(Duration::from_micros(at));
                }
            }
            Request::Keep => self.keep = true,
            Request::Bye => self.leave(),
            Request::Share {
                runner,
                started,
                socket,
            } => {
                let shared = self.share(runner, started, &socket);
                let shared = shared.map_err(|error| Failure::at("share it with the run", &error));
                self.tell(&Event::Shared(shared));
            }
            Request::Describe(description) => {
                self.service.description = Some(description);
                self.tell(&Event::Described);
            }
            Request::Attach => self.tell_of_service(),
            Request::Drain(number) => {
                self.drain();
                self.tell(&Event::Drained(number));
            }
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
        if self.stopping.is_some() {
            self.clients.tell(asking, &Event::Ending, &[]);
        }
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
            Err(error) => Leased::Refused(Failure::at("lease a port", &error)),
        }
    }

    fn watch_path(&mut self, path: &Path) {
        if !self.path_watch.on {
            self.path_watch.on = self.wakeups.watch(path);
        }
        self.path_watch.asked = true;
        self.path_watch.by = self.clients.asking;
    }

    pub(super) fn forget_path(&mut self) {
        self.wakeups.forget();
        self.path_watch = PathWatch::default();
    }

    fn make_directory(&mut self, parent: &Path) {
        // Two threads may have asked at once: there is one.
        let known = self.directory.take().map(Ok);
        let made = known.unwrap_or_else(|| tmpdir::make(parent, &self.name));
        self.directory = made.as_ref().ok().cloned();
        let answer = made.map_err(|error| Failure::at("make a temporary directory", &error));
        self.tell(&Event::Directory(answer));
    }

    fn launch(&mut self, order: &Launch, fds: Vec<OwnedFd>) {
        // Two would share a directory, a port and a word of being gone.
        if !self.tree.is_empty() {
            let busy = nix::Error::EBUSY.into();
            let refused = Failure::at("start it beside a service that runs", &busy);
            self.tell(&Event::Launched(Err(refused)));
            return;
        }
        self.farewell = order.farewell;
        self.keep = order.keep;
        // What was not started leaves nothing, and what comes to be there is somebody else's.
        self.pid_file = None;
        // What was awaited of an earlier service is not this one's.
        for client in self.clients.iter_mut() {
            client.watched_output = [None, None];
        }
        self.forget_path();
        self.hand_over_directory(order);
        match launch(order, fds, self.oom_score.as_deref()) {
            Ok(Launched { tree, pid, drains }) => {
                self.tree = tree;
                self.drains = drains;
                self.pid_file.clone_from(&order.pid_file);
                self.note_service(pid);
                self.timeline = order.row.clone().map(|row| Timeline::begin(row, pid));
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
        self.tell_others(&Event::Began);
    }

    /// Who asked knows.
    fn tell_others(&mut self, event: &Event) {
        let asking = self.clients.asking;
        for id in self.clients.ids().into_iter().filter(|id| *id != asking) {
            self.clients.tell(id, event, &[]);
        }
    }

    /// The private directory is the service's user's own.
    fn hand_over_directory(&self, order: &Launch) {
        if let (Some(directory), Some(identity)) = (&self.directory, &order.identity) {
            let owner = (Some(identity.uid), Some(identity.gid));
            // Not followed: where an earlier service has put a link in its place, that is the link's.
            let _ = std::os::unix::fs::lchown(directory, owner.0, owner.1);
        }
    }
}
