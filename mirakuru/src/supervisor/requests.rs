//! The requests of test processes, and how a supervisor meets each of them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::launch::launch;
use super::serve::{Owner, Server, Stopper};
use super::service::Service;
use crate::port::{self, Lease, Taken};
use crate::protocol::{self, Call, Event, Failure, Launch, Leased, Reply, Request, StopPlan, Wire};
use crate::sys::{self, ProcessFd};
use crate::tmpdir;

/// One request, as it came in.
struct Incoming {
    client: u64,
    /// `None` if the client does not wait for a reply.
    number: Option<u64>,
    request: Request,
    fds: Vec<OwnedFd>,
}

/// A reply and its descriptors.
type Answer = (Reply, Vec<OwnedFd>);

impl Server {
    pub(super) fn take_requests(&mut self) {
        if self.leaving {
            return;
        }
        self.clients.accept(&self.name);
        for client in self.clients.ids() {
            let received = self.clients.receive(client);
            let mut ended = received.ended;
            for frame in received.frames {
                let Some(Call { number, request }) = Call::from_bytes(&frame.bytes) else {
                    // Not our test's: nothing after it can be trusted.
                    ended = true;
                    break;
                };
                self.serve(Incoming {
                    client,
                    number,
                    request,
                    fds: frame.fds,
                });
            }
            if ended {
                self.lose(client);
            }
        }
    }

    /// The executor is gone, or the exit hook hung up: the process may still wait. What a run shares
    /// does not depend on one of its tests.
    fn lose(&mut self, client: u64) {
        if self.owner.pid.is_some() {
            self.leave();
        } else {
            self.clients.remove(client);
        }
    }

    fn serve(&mut self, incoming: Incoming) {
        let (client, number) = (incoming.client, incoming.number);
        let answer = self.meet(incoming);
        if let (Some((reply, fds)), Some(number)) = (answer, number) {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            self.clients.reply(client, number, reply, &fds);
        }
    }

    /// Meets a request; `None` if its reply comes later.
    fn meet(&mut self, incoming: Incoming) -> Option<Answer> {
        let Incoming {
            client,
            number,
            request,
            fds,
        } = incoming;
        let mut reply = Reply::Done;
        match request {
            Request::MakeDirectory(parent) => reply = self.make_directory(&parent),
            Request::Lease {
                directory,
                port,
                holder,
            } => reply = Reply::Leased(self.lease(&directory, port, &holder)),
            Request::Release(port) => drop(self.release(port)),
            Request::Launch(order) => reply = self.launch(client, *order, fds),
            Request::Signal(signal) => self.service.tree.signal_service(signal),
            Request::Stop { plan, release } => {
                let stopper = Stopper {
                    client,
                    number,
                    release,
                };
                self.begin_stop(plan, stopper);
                return None;
            }
            Request::WatchOutput(stream, seen) => {
                if let Some(client) = self.clients.get(client) {
                    client.watched_output[stream as usize] = Some(seen);
                }
            }
            Request::WatchPath(path) => {
                self.path_watch.begin(&mut self.wakeups, &path, client);
            }
            Request::ForgetPath => self.path_watch.end(&mut self.wakeups),
            Request::Ready(ready) => self.service.description.ready = Some(ready),
            Request::Keep => self.keep = true,
            Request::Bye => self.leave(),
            Request::Share {
                runner,
                started,
                socket,
            } => {
                let shared = self.share(runner, started, &socket);
                let shared = shared.map_err(|error| Failure::at("share it with the run", &error));
                reply = Reply::Shared(shared);
            }
            Request::Attach => return Some(self.describe_service()),
            Request::Drain => self.drain(),
        }
        Some((reply, Vec::new()))
    }

    fn begin_stop(&mut self, plan: StopPlan, stopper: Stopper) {
        self.clients.tell_others(stopper.client, &Event::Ending);
        self.stoppers.push(stopper);
        self.stop(plan);
    }

    /// From now on the runner's life counts, not that of the test that came first.
    fn share(&mut self, runner: u32, started: u64, socket: &Path) -> io::Result<()> {
        let pid = sys::process_of(runner).ok_or(io::ErrorKind::InvalidInput)?;
        let runner = ProcessFd::open(pid)?;
        // Looked at after it was opened: the pid may have been given to another in between.
        if sys::started_at(pid) != Some(started) {
            return Err(nix::Error::ESRCH.into());
        }
        self.clients.open_door(socket)?;
        self.owner = Owner::new(runner, None);
        Ok(())
    }

    fn describe_service(&self) -> Answer {
        let files = self.service.files();
        let service = protocol::Service {
            directory: self.directory.clone(),
            ending: self.stopping.is_some(),
            captured: [files[0].is_some(), files[1].is_some()],
            ..self.service.description.clone()
        };
        let files = files.into_iter().flatten().collect();
        (Reply::Service(Box::new(service)), files)
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

    /// Gives the lease on this port back. Dropping the returned one closes its file.
    pub(super) fn release(&mut self, port: u16) -> Option<Lease> {
        let index = self.leases.iter().position(|lease| lease.port == port)?;
        let mut lease = self.leases.swap_remove(index);
        lease.give_back();
        Some(lease)
    }

    fn make_directory(&mut self, parent: &Path) -> Reply {
        // Two threads may have asked at once: there is one.
        let known = self.directory.take().map(Ok);
        let made = known.unwrap_or_else(|| tmpdir::make(parent, &self.name));
        self.directory = made.as_ref().ok().cloned();
        Reply::Directory(made.map_err(|error| {
            let step = format!("make a temporary directory in {}", parent.display());
            Failure::at(&step, &error)
        }))
    }

    fn launch(&mut self, client: u64, order: Launch, fds: Vec<OwnedFd>) -> Reply {
        // Two would share a directory, a port and a word of being gone.
        // A stop that is under way would kill the new one.
        if self.stopping.is_some() || !self.service.tree.is_empty() {
            let busy = nix::Error::EBUSY.into();
            let refused = Failure::at("start it beside a service that runs", &busy);
            return Reply::Launched(Err(refused));
        }
        self.farewell = order.farewell;
        self.keep = order.keep;
        // What was not started leaves nothing, and what comes to be there is somebody else's.
        self.service.pid_file = None;
        // What was awaited of an earlier service is not this one's.
        for client in self.clients.iter_mut() {
            client.watched_output = [None, None];
        }
        self.path_watch.end(&mut self.wakeups);
        self.hand_over_directory(&order);
        let launched = launch(&order, fds, self.oom_score.as_deref());
        Reply::Launched(launched.map(|launched| {
            let number = self.service.description.number + 1;
            self.service = Service::begin(order, launched, number);
            // What the others know is of a service before.
            self.clients.tell_others(client, &Event::Began);
            self.service.description.pid
        }))
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
