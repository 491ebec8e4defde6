//! Answers the requests of test processes.

use std::io;
use std::path::Path;

use super::launch::launch;
use super::serve::{Server, Stopper};
use super::service::Service;
use crate::port::{self, Lease, Taken};
use crate::protocol::{self, Call, Event, Failure, Launch, Leased, Reply, Request};
use crate::run::in_use;
use crate::sys::{self, Handle, Notices, Process, Stoppable};
use crate::tmpdir::Private;

/// A reply and its handles.
pub(super) type Answer = (Reply, Vec<Handle>);

impl Server {
    pub(super) fn take_requests(&mut self) {
        if self.leaving {
            return;
        }
        self.clients.accept(&self.name);
        for client in self.clients.ids() {
            let received = self.clients.receive(client);
            for (Call { number, request }, streams) in received.messages {
                if let Some((reply, files)) = self.answer(client, number, request, streams) {
                    self.clients.reply(client, number, reply, &files);
                }
            }
            // The socket ended: the executor is gone, or the exit hook hung up and its process may still wait. A
            // service that a run shares does not depend on one test process.
            if received.ended && self.owner_pid.is_some() {
                // On exit, the test process's hook waits for our end. Another program that the process became by `exec`
                // does not wait.
                if self.clients.has_closed(client) {
                    self.leave_within_grace();
                } else {
                    self.leave();
                }
            } else if received.ended {
                self.clients.remove(client);
            }
        }
    }

    /// Answers a request. Returns `None` if the reply comes later.
    fn answer(
        &mut self,
        client: u64,
        number: Option<u64>,
        request: Request,
        streams: Vec<Handle>,
    ) -> Option<Answer> {
        let mut reply = Reply::Done;
        match request {
            Request::MakeDirectory(parent) => return Some(self.make_directory(&parent)),
            Request::Lease {
                directory,
                port,
                holder,
            } => reply = Reply::Leased(self.lease(&directory, port, &holder)),
            Request::Release(port) => drop(self.release(port)),
            Request::Exec(exec) => return self.exec(client, number, *exec, streams),
            Request::Launch(order) => reply = self.launch(client, *order, streams),
            Request::Signal { signal, to_group } => {
                self.service.tree.signal_service(signal, to_group);
            }
            Request::Input(number) => {
                let current = number == self.service.description.number;
                let input = current.then(|| self.service.input()).flatten();
                return Some((reply, input.into_iter().collect()));
            }
            Request::CloseInput => self.service.close_input(),
            Request::Stop { plan, release } => {
                self.clients.send_to_others(client, &Event::Ending);
                self.stoppers.push(Stopper {
                    client,
                    number,
                    release,
                });
                self.stop(plan);
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

    /// Makes the supervisor depend on the runner's life instead of on the life of the first test process.
    fn share(&mut self, runner: u32, started: u64, socket: &Path) -> io::Result<()> {
        let pid = sys::process_of(runner).ok_or(io::ErrorKind::InvalidInput)?;
        let runner = Process::open(pid)?;
        // Checked after the process was opened: the kernel may have given the pid to another process in between.
        if sys::started_at(pid) != Some(started) {
            return Err(io::Error::from_raw_os_error(sys::NO_SUCH_PROCESS));
        }
        // Keeps the run's directory in use as long as the service lives. This comes before the socket exists: when a
        // supervisor that has a socket ends, it removes the whole directory.
        let directory = socket.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let run = in_use(directory)?.ok_or_else(|| io::Error::from_raw_os_error(sys::BUSY))?;
        self.clients.open_door(socket)?;
        sys::wake_at_the_end_of(&runner);
        (self.owner, self.owner_pid, self.run) = (runner, None, Some(run));
        Ok(())
    }

    fn describe_service(&self) -> Answer {
        let files = self.service.files();
        let directory = self.directory.as_ref();
        let service = protocol::Service {
            directory: directory.map(|directory| directory.path().to_owned()),
            ending: self.stopping.is_some(),
            captured: [files[0].is_some(), files[1].is_some()],
            ..self.service.description.clone()
        };
        let mut files: Vec<_> = files.into_iter().flatten().collect();
        let handles = directory.map(Private::handles);
        files.extend(handles.into_iter().flatten().flatten());
        (Reply::Service(Box::new(service)), files)
    }

    fn lease(&mut self, directory: &Path, port: Option<u16>, holder: &str) -> Leased {
        // We must not open the file of a port again that we hold.
        if let Some(port) = port.filter(|port| self.leases.iter().any(|held| held.port == *port)) {
            return Leased::Granted(port);
        }
        let taken = match port {
            Some(port) => Lease::take(directory, port, holder),
            None => port::pick(directory, &self.leases, holder).map(Taken::Acquired),
        };
        match taken {
            Ok(Taken::Acquired(lease)) => {
                let port = lease.port;
                self.leases.push(lease);
                Leased::Granted(port)
            }
            Ok(Taken::HeldBy(holder)) => Leased::Elsewhere(holder),
            Err(error) => Leased::Refused(Failure::at("lease a port", &error)),
        }
    }

    /// Gives back the lease on this port. Dropping the returned lease closes its file.
    pub(super) fn release(&mut self, port: u16) -> Option<Lease> {
        let index = self.leases.iter().position(|lease| lease.port == port)?;
        let mut lease = self.leases.swap_remove(index);
        lease.give_back();
        Some(lease)
    }

    fn make_directory(&mut self, parent: &Path) -> Answer {
        // Two threads may have requested it at once: both get the same directory.
        let known = self.directory.take().map(Ok);
        let made = known.unwrap_or_else(|| Private::make(parent, &self.name));
        let made = made.and_then(|made| {
            let made = self.directory.insert(made);
            Ok((made.path().to_owned(), made.handles()?))
        });
        match made {
            Ok((path, handles)) => (Reply::Directory(Ok(path)), handles),
            Err(error) => {
                let step = format!("make a temporary directory in {}", parent.display());
                (
                    Reply::Directory(Err(Failure::at(&step, &error))),
                    Vec::new(),
                )
            }
        }
    }

    fn launch(&mut self, client: u64, order: Launch, streams: Vec<Handle>) -> Reply {
        // One service at a time: two would share the directory, the port and the `Gone` reply. A stop that is under way
        // would kill the new service.
        if self.stopping.is_some() || !self.service.tree.is_empty() {
            return Reply::Launched(Err(Failure {
                step: "start it while another service runs".to_owned(),
                code: sys::BUSY,
            }));
        }
        self.on_owner_exit = order.on_owner_exit;
        self.keep = order.keep;
        // A service that did not start leaves no files, and the path may later belong to another process.
        self.service.leftovers.clear();
        // The watches were for an earlier service.
        for client in self.clients.iter_mut() {
            client.watched_output = [None, None];
        }
        self.path_watch.end(&mut self.wakeups);
        // The user of the service owns the private directory.
        if let (Some(directory), Some(identity)) = (&self.directory, &order.identity) {
            directory.hand_over(identity.user, identity.group);
        }
        // Bound before the start, so that no message arrives too early.
        let notices = match order.notify.as_deref().map(Notices::bind).transpose() {
            Ok(notices) => notices,
            Err(error) => {
                let failure = Failure::at("open the socket of NOTIFY_SOCKET", &error);
                return Reply::Launched(Err(failure));
            }
        };
        let launched = launch(&order, streams, self.oom_score.as_deref());
        if let (Err(_), Some(path)) = (&launched, &order.notify) {
            let _ = std::fs::remove_file(path);
        }
        Reply::Launched(launched.map(|launched| {
            let number = self.service.description.number + 1;
            self.service = Service::begin(order, launched, number);
            self.service.notices = notices;
            // The other clients know only an earlier service.
            self.clients.send_to_others(client, &Event::Began);
            self.service.description.pid
        }))
    }
}
