//! The port of an executor: a free one that is leased, or the fixed one, which it may have to queue
//! for. Taken before the start's clock begins, and kept through restarts and outages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Executor;
use super::ready::SLOW;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Step;
use crate::locks;
use crate::port::{self, Held, OnConflict, Ticket};
use crate::protocol::Leased;
use crate::readiness::{Context, Readiness};
use crate::run;
use crate::wait::{self, Deadline};

/// How long a look at what may be reused takes at the most.
const LOOK: Duration = Duration::from_secs(1);

/// Which port an executor is to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    None,
    Free,
    Fixed(u16),
}

/// What came of claiming the place that a service is to have.
pub(super) enum Claim {
    /// It is ours; the start has until then.
    Ours(Deadline),
    /// Something answers there, and is used.
    Reused,
}

impl<R: Readiness> Executor<R> {
    pub(super) fn wanted_port(&self) -> Wanted {
        match self.readiness.target().port {
            Some(0) => Wanted::Free,
            Some(port) => Wanted::Fixed(port),
            None if self.mentions("port") => Wanted::Free,
            None => Wanted::None,
        }
    }

    /// The fixed port, where it is to be taken together with others of the same test.
    #[cfg(feature = "macros")]
    pub(crate) fn port_to_reserve(&self) -> Option<u16> {
        match self.wanted_port() {
            Wanted::Fixed(port) if self.config.on_conflict != Some(OnConflict::Reuse) => Some(port),
            _ => None,
        }
    }

    /// Takes the lease on the fixed port, if there is one, ahead of the start: for who needs several
    /// and has to take them in one order.
    #[cfg(feature = "macros")]
    pub(crate) fn reserve(&self) -> Result<()> {
        if self.session.is_foreign() {
            return Ok(());
        }
        let _turn = self.session.turn();
        self.claim(Deadline::after(self.config.start_bound()))
            .map(drop)
    }

    /// The port, leased where it is a free one; 0 where there is none. The caller has the turn.
    pub(super) fn settled_port(&self) -> Result<u16> {
        match self.wanted_port() {
            Wanted::None => Ok(0),
            Wanted::Fixed(port) => Ok(port),
            Wanted::Free => self.free_port(),
        }
    }

    /// The same for whoever asks from outside, at any time. From then on it stays.
    pub(super) fn told_port(&self) -> Result<u16> {
        if let Some(port) = self.session.tell_port() {
            return Ok(port);
        }
        if self.wanted_port() != Wanted::Free {
            return self.settled_port();
        }
        // Ahead of the lock, which a thread of the parent may have held at the fork.
        assert!(
            !self.session.is_foreign(),
            "the port is leased by the parent process"
        );
        let _turn = self.session.turn();
        let port = self.free_port()?;
        self.session.tell_port();
        Ok(port)
    }

    /// Whether what is reused is still there.
    pub(super) fn still_answers(&self) -> bool {
        self.session.is_reused()
            && self
                .is_there(Deadline::after(self.config.start_bound()))
                .unwrap_or(false)
    }

    fn free_port(&self) -> Result<u16> {
        let link = self.link(Deadline::after(self.config.start_bound()))?;
        let (known, leased) = self.session.port(&link);
        if let Some(port) = known.filter(|_| leased) {
            return Ok(port);
        }
        // The lease went with a supervisor that was killed: the same port again, if it can be had.
        let port = match self.lease(known)? {
            Leased::Granted(port) => port,
            Leased::Elsewhere(holder) => return Err(self.held_elsewhere(&holder)),
            Leased::Refused(failure) => return Err(self.refused("lease a port", failure.error())),
        };
        self.session.leased(port, &link);
        Ok(port)
    }

    /// Has the port changed, where it was picked here and nobody was told of it, and a stranger has
    /// come to be there.
    pub(super) fn has_to_move(&self, failed: &Error) -> bool {
        let collision = matches!(
            failed.kind(),
            ErrorKind::AlreadyRunning | ErrorKind::ProcessExitedWithError
        );
        collision && self.session.untold_port().is_some_and(answers)
    }

    /// Makes sure that the fixed port is this executor's. By the policy it fails, queues, or finds
    /// that what is there is to be used.
    pub(super) fn claim(&self, deadline: Deadline) -> Result<Claim> {
        let Wanted::Fixed(port) = self.wanted_port() else {
            return Ok(Claim::Ours(deadline));
        };
        let policy = self.policy();
        let queue = Deadline::after(environment::queue_bound());
        let (mut ticket, mut next_note) = (None, SLOW);
        loop {
            // Asked for as long as is left, and after a queue once more.
            let look = deadline.at_least(LOOK);
            if policy == OnConflict::Reuse && self.is_there(look)? {
                self.session.reuse();
                self.tell(&Step::Reuses { port });
                return Ok(Claim::Reused);
            }
            let Some(holder) = self.take_fixed(port, policy, deadline)? else {
                let fresh = || Deadline::after(self.config.start_bound());
                return Ok(Claim::Ours(ticket.map_or(deadline, |_| fresh())));
            };
            if policy == OnConflict::Fail {
                return Err(self.held_elsewhere(&holder));
            }
            if queue.has_passed() {
                // Unlike a wait that has no end, which is the asker's mistake: the next would wait too.
                self.session.note_failure();
                return Err(self.queued_in_vain(port, &holder, queue));
            }
            let ticket = match &mut ticket {
                Some(ticket) => ticket,
                None => ticket.insert(self.queue_up(port, &holder)?),
            };
            // Where no note can be left, there is still the queue's bound.
            if let Ok(Some(circle)) = ticket.has_to_give_way(own_ports) {
                return Err(self.waits_in_a_circle(port, &circle));
            }
            let elapsed = queue.elapsed();
            if elapsed >= next_note {
                next_note = elapsed * 2;
                let holder = &holder;
                self.tell(&Step::StillQueues {
                    port,
                    holder,
                    elapsed,
                });
            }
            wait::pause(wait::next_try(elapsed));
        }
    }

    fn policy(&self) -> OnConflict {
        // What tests share would fail for the one that comes first, and for no fault of its own: a run
        // that ended a moment ago may still have the port.
        let unsaid = if self.session.is_fixture() {
            OnConflict::Wait
        } else {
            OnConflict::Fail
        };
        self.config.on_conflict.unwrap_or(unsaid)
    }

    /// Not for a port of this thread's own, or of a fixture of this process.
    fn may_wait_for(&self, port: u16) -> Result<()> {
        match Held::in_the_way(port) {
            Some(holder) => Err(self.held_for_ever(port, &holder)),
            None => Ok(()),
        }
    }

    /// The same ahead of a wait for somebody who may queue for the fixed port.
    pub(super) fn may_wait_for_others(&self) -> Result<()> {
        match self.wanted_port() {
            Wanted::Fixed(port)
                if self.policy() == OnConflict::Wait
                    && self.is_common_address()
                    && !self.session.has_port(port) =>
            {
                self.may_wait_for(port)
            }
            _ => Ok(()),
        }
    }

    /// Takes the lease on the fixed port, or says who has it.
    fn take_fixed(
        &self,
        port: u16,
        policy: OnConflict,
        deadline: Deadline,
    ) -> Result<Option<String>> {
        // A port of another machine, or of an address that services of other tests need not share.
        if !self.is_common_address() {
            return Ok(None);
        }
        let link = self.link(deadline)?;
        if self.session.holds(port, &link) {
            return Ok(None);
        }
        if policy != OnConflict::Fail {
            self.may_wait_for(port)?;
        }
        match self.lease(Some(port))? {
            // Other processes of the run may give it back, and take it again.
            Leased::Granted(_) if link.is_shared() => Ok(None),
            Leased::Granted(port) => {
                let held = Held::note(port, self.title(), self.session.is_fixture());
                self.session.hold(held, &link);
                Ok(None)
            }
            Leased::Elsewhere(_) if policy == OnConflict::Wait && self.is_the_runs(port)? => {
                Err(self.held_for_ever(port, "a shared fixture of this run"))
            }
            Leased::Elsewhere(holder) => Ok(Some(holder)),
            Leased::Refused(failure) => Err(self.refused("lease a port", failure.error())),
        }
    }

    /// Gives the fixed port back.
    pub(super) fn give_back(&self) {
        self.session.give_back();
        if let (Some(link), Wanted::Fixed(port)) = (self.session.shared_link(), self.wanted_port())
        {
            link.release(port);
        }
    }

    /// The fixed port whose lease ends with the service: this executor's, or the run's.
    pub(super) fn port_to_release(&self) -> Option<u16> {
        match self.wanted_port() {
            Wanted::Fixed(port) if self.session.shared_link().is_some() => Some(port),
            _ => self.session.held_port(),
        }
    }

    fn queue_up(&self, port: u16, holder: &str) -> Result<Ticket> {
        self.tell(&Step::Queues { port, holder });
        Ok(Ticket::new(self.locks()?, port, self.holder()))
    }

    fn locks(&self) -> Result<PathBuf> {
        locks::lock_directory()
            .map_err(|mistake| self.scene().reason(mistake).into_error(ErrorKind::Io))
    }

    /// Whether a shared fixture of this run has the port.
    fn is_the_runs(&self, port: u16) -> Result<bool> {
        let locks = self.locks()?;
        let holder = port::holder(&locks, port);
        Ok(holder.is_some_and(|pid| run::supervisors(&locks).contains(&pid)))
    }

    fn lease(&self, port: Option<u16>) -> Result<Leased> {
        let directory = self.locks()?;
        let link = self.link(Deadline::after(self.config.start_bound()))?;
        link.lease(port, self.holder(), directory)
            .ok_or_else(|| self.lost(&link))
    }

    /// What others are told of who holds the port.
    fn holder(&self) -> String {
        let words: Vec<_> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let (pid, command) = (std::process::id(), self.command());
        format!("pid {pid} ({}), for `{command}`", words.join(" "))
    }

    /// Whether the host is one that all tests of this machine share.
    fn is_common_address(&self) -> bool {
        let host = self.settled_host();
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: IpAddr| {
                ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
            })
    }

    /// Whether the check passes before anything was started.
    pub(super) fn is_there(&self, deadline: Deadline) -> Result<bool> {
        let port = match self.wanted_port() {
            Wanted::Fixed(port) => port,
            Wanted::Free | Wanted::None => 0,
        };
        let place = self.place(None, port);
        let place = place.map_err(|mistake| self.invalid(mistake))?;
        let context = Context::new(self.situation(place, None, deadline));
        match self.see_that_nothing_is_there(&context, deadline) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::AlreadyRunning => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// The ports that are not given back while this thread waits.
fn own_ports(locks: &Path) -> Vec<u16> {
    let mut own = Held::own();
    own.extend(port::leased(locks, &run::supervisors(locks)));
    own
}

/// Whether anybody accepts connections on this port of the loopback interface.
fn answers(port: u16) -> bool {
    let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopbacks.into_iter().any(|ip: IpAddr| {
        let patience = Duration::from_millis(500);
        TcpStream::connect_timeout(&SocketAddr::new(ip, port), patience).is_ok()
    })
}
