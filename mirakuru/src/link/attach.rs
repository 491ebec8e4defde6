//! The test's end of a supervisor that a run shares: handed over by who started it, come to by all.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::exit_hook;
use super::open::await_name;
use super::socket::Socket;
use super::{Home, Link, SUPERVISOR_BOUND};
use crate::protocol::{Failure, Reply, Request, Service};
use crate::run::Runner;
use crate::sys::{self, Handle, ProcessFd};
use crate::wait::Deadline;

impl Link {
    /// Comes to a supervisor that a run shares.
    pub(crate) fn connect(socket: &Path, home: Home) -> io::Result<Arc<Self>> {
        let socket = sys::with_short_path(socket, |socket| UnixStream::connect(socket))?;
        let peer = sys::peer(&socket).ok_or(io::ErrorKind::Unsupported)?;
        let supervisor = ProcessFd::open(peer)?;
        let (inbox, name) = await_name(&socket, Deadline::after(SUPERVISOR_BOUND))?;
        let link = Self::new(
            home,
            sys::number_of(peer),
            name,
            Socket::new(socket, supervisor, inbox),
        );
        link.shared.store(true, Ordering::Relaxed);
        Ok(Arc::new(link))
    }

    /// Hands the supervisor over to the run: from now on this process is one of those who use it.
    /// `None` if it does not answer.
    pub(crate) fn share(
        self: &Arc<Self>,
        runner: &Runner,
        socket: PathBuf,
    ) -> Option<Result<(), Failure>> {
        let request = Request::Share {
            runner: sys::number_of(runner.pid),
            started: runner.started,
            socket,
        };
        let (Reply::Shared(shared), _) = self.ask(request)? else {
            return None;
        };
        if shared.is_ok() {
            self.shared.store(true, Ordering::Relaxed);
            exit_hook::unregister(self);
        }
        Some(shared)
    }

    /// Whether it belongs to the run.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// What the latest service is, and its captured files.
    pub(crate) fn attach(&self) -> Option<(Service, Vec<Handle>)> {
        let (Reply::Service(service), files) = self.ask(Request::Attach)? else {
            return None;
        };
        // Should the supervisor be killed, it is removed from here.
        if let Some(directory) = service.directory.clone() {
            self.directory.get_or_init(|| directory);
        }
        Some((*service, files))
    }
}
