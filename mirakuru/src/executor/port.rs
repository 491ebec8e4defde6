//! The port of an executor: what the user wrote of it, the lease on a free port, and the claim on a fixed
//! one. Both last through restarts and outages; `claim.rs` claims a fixed port before a start.
//!
//! One order of precedence decides which number the executor reports: see [`precedence`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::link::Link;
use crate::port::{OnConflict, PortClaim};
use crate::protocol::Leased;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    None,
    Free,
    Fixed(u16),
}

/// The number that an executor reports: the one in the service's banner, else the written one, else the
/// leased one.
fn precedence(reported: Option<u16>, wanted: Wanted, leased: Option<u16>) -> Option<u16> {
    match wanted {
        Wanted::Fixed(port) => reported.or(Some(port)),
        Wanted::Free | Wanted::None => reported.or(leased),
    }
}

#[derive(Default)]
pub(super) struct Port {
    free: Option<FreePort>,
    /// The claim on the fixed port, and the name of the supervisor that holds the lease.
    claim: Option<(PortClaim, String)>,
    /// The start uses a service that was there before.
    pub(super) reused: bool,
}

/// The free port that stands for `{port}`, so that a restart finds the same.
struct FreePort {
    number: u16,
    /// The name of the supervisor that holds the lease.
    supervisor: String,
    /// The user knows the number, or a service was ready there: it does not change any more.
    settled: bool,
}

impl Port {
    fn free(&self) -> Option<u16> {
        self.free.as_ref().map(|free| free.number)
    }

    /// The free port, if the supervisor of this name holds the lease on it.
    fn leased_by(&self, supervisor: &str) -> Option<u16> {
        let free = self.free.as_ref()?;
        (free.supervisor == supervisor).then_some(free.number)
    }

    fn lease(&mut self, number: u16, supervisor: &str) {
        let settled = self.free.as_ref().is_some_and(|free| free.settled);
        self.free = Some(FreePort {
            number,
            supervisor: supervisor.to_owned(),
            settled,
        });
    }

    /// Notes a port that another test process leased. The service listens there, so it does not change.
    pub(super) fn adopt(&mut self, number: u16, supervisor: &str) {
        self.lease(number, supervisor);
        self.settle();
    }

    /// Returns the free port, which does not change from now on.
    pub(super) fn settle(&mut self) -> Option<u16> {
        let free = self.free.as_mut()?;
        free.settled = true;
        Some(free.number)
    }

    /// The free port, if it may still change.
    fn unsettled(&self) -> Option<u16> {
        let free = self.free.as_ref()?;
        (!free.settled).then_some(free.number)
    }

    fn claimed(&self) -> Option<u16> {
        self.claim.as_ref().map(|(claim, _)| claim.port)
    }

    fn is_claimed_by(&self, port: u16, supervisor: &str) -> bool {
        let claim = self.claim.as_ref();
        claim.is_some_and(|(claim, holder)| claim.port == port && holder == supervisor)
    }

    /// Ends the claim without a release: the supervisor is gone, or the run has the port now.
    pub(super) fn drop_claim(&mut self) -> Option<PortClaim> {
        self.claim.take().map(|(claim, _)| claim)
    }
}

impl Core {
    pub(super) fn wanted_port(&self) -> Wanted {
        match self.check.target().port {
            Some(0) => Wanted::Free,
            Some(port) => Wanted::Fixed(port),
            None if self.mentions("port") => Wanted::Free,
            None => Wanted::None,
        }
    }

    /// The port by [`precedence`]; 0 if the executor has none. A free port is leased now and does not change
    /// any more.
    ///
    /// # Panics
    ///
    /// Panics if no free port can be leased, and in a forked child if the parent has not leased it.
    pub(super) fn port(&self) -> u16 {
        let reported = self.run().and_then(|run| run.context.reported_port());
        let wanted = self.wanted_port();
        let leased = match reported {
            Some(_) => None,
            None => self.state(|state| state.port.settle()),
        };
        let none = (wanted == Wanted::None).then_some(0);
        if let Some(port) = precedence(reported, wanted, leased).or(none) {
            return port;
        }
        // Before the turn, which a thread of the parent may have held at the fork.
        assert!(
            self.unless_forked().is_some(),
            "the port is leased by the parent process"
        );
        let _turn = self.turn();
        let leased = self.lease_free_port();
        let port = leased.unwrap_or_else(|error| panic!("{error}"));
        self.state(|state| state.port.settle());
        port
    }

    /// The port for a start; 0 if the executor has none. The caller has the turn.
    pub(super) fn port_for_start(&self) -> Result<u16> {
        match self.wanted_port() {
            Wanted::None => Ok(0),
            Wanted::Fixed(port) => Ok(port),
            Wanted::Free => self.lease_free_port(),
        }
    }

    fn lease_free_port(&self) -> Result<u16> {
        let link = self.link()?;
        if let Some(port) = self.state(|state| state.port.leased_by(link.name())) {
            return Ok(port);
        }
        // The former lease went with a supervisor that was killed: the same port again, if it is free.
        let former = self.state(|state| state.port.free());
        let leased = self.lease(&link, former)?;
        let port = leased.map_err(|holder| self.held_elsewhere(&holder))?;
        self.state(|state| state.port.lease(port, link.name()));
        Ok(port)
    }

    /// Asks the supervisor for a lease on this port, or on a free one. Returns the port, or else who holds it.
    /// The caller has the turn.
    fn lease(&self, link: &Link, port: Option<u16>) -> Result<Result<u16, String>> {
        match link.lease(port, self.holder(), self.locks()?) {
            Some(Leased::Granted(port)) => Ok(Ok(port)),
            Some(Leased::Elsewhere(holder)) => Ok(Err(holder)),
            Some(Leased::Refused(failure)) => Err(self.refused("lease a port", failure.error())),
            None => Err(self.without_supervisor(link)),
        }
    }

    /// Takes the lease on the fixed port. Returns the holder if another executor has it. With `waits`, a
    /// wait that would never end is an error.
    pub(super) fn take_fixed(&self, port: u16, waits: bool) -> Result<Option<String>> {
        // A port of another machine, or of an address that services of other tests need not share.
        if !self.is_common_address() {
            return Ok(None);
        }
        let link = self.link()?;
        if self.state(|state| state.port.is_claimed_by(port, link.name())) {
            return Ok(None);
        }
        if waits {
            self.ensure_not_in_the_way(port)?;
        }
        if let Err(holder) = self.lease(&link, Some(port))? {
            return Ok(Some(holder));
        }
        // Other processes of the run may give the port back, and take it again.
        if !link.is_shared() {
            let claim = PortClaim::note(port, self.title(), self.is_fixture());
            let holder = link.name().to_owned();
            drop(self.state(|state| state.port.claim.replace((claim, holder))));
        }
        Ok(None)
    }

    /// Fails if this thread, or a fixture of this process, has the port: a wait for it would never end.
    fn ensure_not_in_the_way(&self, port: u16) -> Result<()> {
        PortClaim::in_the_way(port).map_or(Ok(()), |holder| Err(self.held_for_ever(port, &holder)))
    }

    /// Does the same before a wait for a process that may queue for the fixed port.
    pub(super) fn ensure_may_wait_for_others(&self) -> Result<()> {
        let Wanted::Fixed(port) = self.wanted_port() else {
            return Ok(());
        };
        let has_it = self.state(|state| state.port.claimed()) == Some(port);
        if self.policy() != OnConflict::Wait || !self.is_common_address() || has_it {
            return Ok(());
        }
        self.ensure_not_in_the_way(port)
    }

    /// The fixed port whose lease this executor, or the run, has to give back.
    pub(super) fn port_to_release(&self) -> Option<u16> {
        match self.wanted_port() {
            Wanted::Fixed(port) if self.shared_link().is_some() => Some(port),
            _ => self.state(|state| state.port.claimed()),
        }
    }

    /// Gives the fixed port back. The free one stays: no other executor gets it.
    pub(super) fn give_port_back(&self) {
        let link = self.state(|state| state.link.clone());
        if let (Some(port), Some(link)) = (self.port_to_release(), link) {
            link.release(port);
        }
        self.note_port_given_back();
    }

    /// Notes that the supervisor has given the fixed port back.
    pub(super) fn note_port_given_back(&self) {
        drop(self.state(|state| {
            state.port.reused = false;
            state.port.drop_claim()
        }));
    }

    /// Gives the free port back, so that the next attempt gets another one.
    pub(super) fn give_up_free_port(&self) {
        let (free, link) = self.state(|state| (state.port.free.take(), state.link.clone()));
        if let (Some(free), Some(link)) = (free, link) {
            link.release(free.number);
        }
    }

    /// Returns whether a start that failed so is worth another free port: no user knows this one, and a
    /// stranger answers there.
    pub(super) fn should_retry_with_new_port(&self, failed: &Error) -> bool {
        let collision = matches!(
            failed.kind(),
            ErrorKind::AlreadyRunning | ErrorKind::ProcessExitedWithError
        );
        let port = self.state(|state| state.port.unsettled());
        collision && port.is_some_and(accepts)
    }

    /// Returns whether the host is one that all tests of this machine share.
    fn is_common_address(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: IpAddr| {
                ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
            })
    }
}

/// Returns whether any process accepts connections on this port of the loopback interface.
fn accepts(port: u16) -> bool {
    let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopbacks.into_iter().any(|ip: IpAddr| {
        let patience = Duration::from_millis(500);
        TcpStream::connect_timeout(&SocketAddr::new(ip, port), patience).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_port_precedes_a_written_and_a_leased_one() {
        let fixed = Wanted::Fixed(2);
        assert_eq!(precedence(Some(1), fixed, Some(3)), Some(1));
        assert_eq!(precedence(None, fixed, Some(3)), Some(2));
        assert_eq!(precedence(None, Wanted::Free, Some(3)), Some(3));
        assert_eq!(precedence(None, Wanted::Free, None), None);
        assert_eq!(precedence(Some(1), Wanted::None, None), Some(1));
    }

    #[test]
    fn a_free_port_changes_until_it_is_settled() {
        let mut port = Port::default();
        assert_eq!((port.settle(), port.unsettled()), (None, None));
        port.lease(7, "first");
        assert_eq!(
            (port.unsettled(), port.leased_by("first")),
            (Some(7), Some(7))
        );
        assert_eq!(port.settle(), Some(7));
        assert_eq!(port.unsettled(), None);
    }

    #[test]
    fn a_new_supervisor_has_to_lease_the_port_again() {
        let mut port = Port::default();
        port.adopt(7, "killed");
        assert_eq!((port.leased_by("new"), port.free()), (None, Some(7)));
        port.lease(7, "new");
        assert_eq!(port.leased_by("new"), Some(7));
        assert_eq!(port.unsettled(), None, "it stays settled");
    }

    #[test]
    fn a_claim_counts_for_its_supervisor_alone() {
        let mut port = Port::default();
        let claim = PortClaim::note(9, "a test", false);
        port.claim = Some((claim, "one".to_owned()));
        assert!(port.is_claimed_by(9, "one"));
        assert!(!port.is_claimed_by(9, "two") && !port.is_claimed_by(8, "one"));
        assert_eq!(port.claimed(), Some(9));
        drop(port.drop_claim());
        assert_eq!((port.claimed(), PortClaim::in_the_way(9)), (None, None));
    }
}
