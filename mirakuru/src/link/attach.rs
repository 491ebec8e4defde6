//! The test's end of a supervisor that a run shares: handed over by who started it, come to by all.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::exit;
use super::open::await_name;
use super::{Link, SUPERVISOR_BOUND};
use crate::protocol::{Description, Failure, Request, Service};
use crate::run::Runner;
use crate::sys::{self, ProcessFd};
use crate::wait::Deadline;

impl Link {
    /// Comes to a supervisor that a run shares.
    pub(crate) fn connect(socket: &Path) -> io::Result<Arc<Self>> {
        let socket = UnixStream::connect(socket)?;
        let peer = sys::peer(&socket).ok_or(io::ErrorKind::Unsupported)?;
        let supervisor = ProcessFd::open(peer)?;
        let (inbox, name) = await_name(&socket, Deadline::after(SUPERVISOR_BOUND))?;
        let link = Self::new(
            peer.as_raw().unsigned_abs(),
            name,
            socket,
            supervisor,
            inbox,
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
        self.state().shared = None;
        self.ask(&Request::Share {
            runner: runner.pid.as_raw().unsigned_abs(),
            started: runner.started,
            socket,
        });
        let shared = self.wait(Deadline::after(SUPERVISOR_BOUND), |state| {
            state.shared.clone()
        })?;
        if shared.is_ok() {
            self.shared.store(true, Ordering::Relaxed);
            exit::unregister(self);
        }
        Some(shared)
    }

    /// Whether it belongs to the run.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Returns once every other test process can know it. No answer is no harm to this one.
    pub(crate) fn describe(&self, description: Description) {
        self.state().described = false;
        self.ask(&Request::Describe(description));
        self.wait(Deadline::after(SUPERVISOR_BOUND), |state| {
            state.described.then_some(())
        });
    }

    /// What the latest service is, and its captured files.
    pub(crate) fn attach(&self) -> Option<(Service, Vec<OwnedFd>)> {
        if self.is_foreign() {
            return None;
        }
        // Any thread may ask, and there is room for one answer.
        let _turn = self
            .attaching
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let deadline = Deadline::after(SUPERVISOR_BOUND);
        loop {
            self.state().attached = None;
            self.ask(&Request::Attach);
            self.wait(deadline, |state| state.attached.is_some().then_some(()))?;
            let (current, attached) = {
                let mut state = self.state();
                (state.current(), state.attached.take())
            };
            let (service, files) = attached?;
            // Another one may have been started behind the answer.
            if service.number == current {
                // Should the supervisor be killed, it is removed from here.
                if let Some(directory) = service.directory.clone() {
                    self.directory.get_or_init(|| directory);
                }
                return Some((service, files));
            }
        }
    }
}
