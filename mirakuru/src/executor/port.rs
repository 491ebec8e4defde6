//! The port of an executor: the port that the user wrote, the lease on a free port, and the claim on a fixed port.
//!
//! A lease and a claim last through restarts and outages. `known_ports.rs` notes them, `claim.rs` claims a fixed port
//! before a start, and `port_release.rs` decides when a port is released. [`precedence`] decides which number the
//! executor reports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;

use super::core::Core;
use crate::command::is_word;
use crate::error::{ErrorKind, Result};
use crate::link::Link;
use crate::port::{OnConflict, PortClaim};
use crate::protocol::Leased;
use crate::sys;

/// The port that the configuration requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    None,
    Free,
    Fixed(u16),
}

/// Returns the number that an executor reports: the port in the service's banner, else the fixed port, else the
/// leased port.
fn precedence(reported: Option<u16>, wanted: Wanted, leased: Option<u16>) -> Option<u16> {
    match wanted {
        Wanted::Fixed(port) => reported.or(Some(port)),
        Wanted::Free | Wanted::None => reported.or(leased),
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

    /// Returns the port by [`precedence`]. Leases a free port, which does not change after this call.
    ///
    /// # Panics
    ///
    /// Panics in a forked child if the parent has not leased the free port.
    pub(super) fn port(&self) -> Result<u16> {
        let reported = self.run().and_then(|run| run.context.reported_port());
        let wanted = self.wanted_port();
        let leased = match reported {
            Some(_) => None,
            None => self.settle_port(),
        };
        if let Some(port) = precedence(reported, wanted, leased) {
            return Ok(port);
        }
        let target = self.check.target();
        match target.port_name {
            Some(name) if wanted == Wanted::None => self.port_named(&name),
            _ if wanted == Wanted::None && target.reports_port => Err(self.invalid_call(
                "has no port yet",
                "its port is the number that the banner's group `port` captures, and no line has matched the banner yet",
            )),
            _ => self.port_named(""),
        }
    }

    /// Returns the free port that `{port:NAME}` stands for. Leases it, if it is not leased yet.
    ///
    /// # Panics
    ///
    /// Panics in a forked child if the parent has not leased the port.
    pub(super) fn port_named(&self, name: &str) -> Result<u16> {
        if !name.is_empty() && !is_word(name) {
            return Err(self.invalid(format!(
                "{name:?} cannot be the name of a port: use lower-case letters, digits and `_`"
            )));
        }
        let settled = match name {
            "" => self.settle_port(),
            name => self.state(|state| state.port.settle(name)),
        };
        if let Some(port) = settled {
            return Ok(port);
        }
        // Checked before the turn: a thread of the parent may have held the turn at the fork.
        assert!(
            self.unless_forked().is_some(),
            "the port is leased by the parent process"
        );
        let _turn = self.turn();
        let port = self.lease_free_port(name)?;
        self.state(|state| state.port.settle(name));
        self.settle_port();
        Ok(port)
    }

    /// Returns the port that `{port}` stands for, if it is leased. After this call the port does not change. A forked
    /// child gets the port too, even if it cannot lock the state.
    fn settle_port(&self) -> Option<u16> {
        let settled = self.state(|state| state.port.settle(""));
        if let Some(port) = settled {
            self.settled_port.store(port, Ordering::Relaxed);
            return settled;
        }
        let known = self.settled_port.load(Ordering::Relaxed);
        (known != 0 && self.unless_forked().is_none()).then_some(known)
    }

    /// Settles all free ports, so that they do not change. A service is ready there, or the caller publishes the
    /// ports.
    pub(super) fn settle_ports(&self) {
        self.state(|state| state.port.settle_all());
        self.settle_port();
    }

    /// Returns the ports for a start, by name. Leases the free ones. The caller has the turn.
    pub(super) fn ports_for_start(&self) -> Result<BTreeMap<String, u16>> {
        let mut names: BTreeSet<String> =
            self.state(|state| state.port.known().into_keys().collect());
        names.extend(self.named_ports());
        let wanted = self.wanted_port();
        if wanted == Wanted::Free {
            names.insert(String::new());
        }
        let mut ports = BTreeMap::new();
        for name in names {
            let port = self.lease_free_port(&name)?;
            ports.insert(name, port);
        }
        if let Wanted::Fixed(port) = wanted {
            ports.insert(String::new(), port);
        }
        Ok(ports)
    }

    /// Returns the free port of this name, which the current supervisor leases. The caller has the turn.
    pub(super) fn lease_free_port(&self, name: &str) -> Result<u16> {
        let link = self.link()?;
        if let Some(port) = self.state(|state| state.port.leased_by(name, link.name())) {
            return Ok(port);
        }
        // The former lease ended with a supervisor that was killed. The port stays the same, if it is still free.
        let former = self.state(|state| state.port.free(name));
        let leased = self.lease(&link, former)?;
        let port = leased.map_err(|holder| self.held_elsewhere(former.unwrap_or(0), &holder))?;
        self.state(|state| state.port.lease(name.to_owned(), port, link.name()));
        Ok(port)
    }

    /// Requests a lease on this port, or on a free one, from the supervisor. Returns the port, or else a description
    /// of its holder. The caller has the turn.
    fn lease(&self, link: &Link, port: Option<u16>) -> Result<Result<u16, String>> {
        match link.lease(port, self.holder(), self.locks()?) {
            Some(Leased::Granted(port)) => Ok(Ok(port)),
            Some(Leased::Elsewhere(holder)) => Ok(Err(holder)),
            Some(Leased::Refused(failure)) => Err(self.refused("lease a port", failure.error())),
            None => Err(self.without_supervisor(link)),
        }
    }

    /// Takes the lease on the fixed port. Returns the holder if another executor has the lease. With `waits`, fails
    /// if a wait for the port would deadlock.
    pub(super) fn take_fixed(&self, port: u16, waits: bool) -> Result<Option<String>> {
        // The port belongs to another machine, or to an address that other tests need not share.
        if !self.is_common_address() {
            return Ok(None);
        }
        let link = self.link()?;
        if self.state(|state| state.port.is_claimed_by(port, link.name())) {
            return Ok(None);
        }
        if waits {
            self.ensure_no_deadlock(port)?;
        }
        if let Err(holder) = self.lease(&link, Some(port))? {
            return Ok(Some(holder));
        }
        // A shared supervisor gets no claim: other processes of the run may release the port and take it again.
        if !link.is_shared() {
            let claim = PortClaim::note(port, self.title(), self.is_fixture());
            drop(self.state(|state| state.port.claim(claim, link.name())));
        }
        Ok(None)
    }

    /// Fails if this thread, or a fixture of this process, holds the port: a wait for the port would deadlock.
    fn ensure_no_deadlock(&self, port: u16) -> Result<()> {
        PortClaim::conflicting_holder(port)
            .map_or(Ok(()), |holder| Err(self.never_released(port, &holder)))
    }

    /// Fails if a wait for another process may deadlock, because that process may queue for a fixed port that this
    /// thread holds.
    pub(super) fn ensure_may_wait_for_others(&self) -> Result<()> {
        let Wanted::Fixed(port) = self.wanted_port() else {
            return Ok(());
        };
        let has_it = self.state(|state| state.port.claimed()) == Some(port);
        if self.policy() != OnConflict::Wait || !self.is_common_address() || has_it {
            return Ok(());
        }
        self.ensure_no_deadlock(port)
    }

    /// Fails if the check would connect to this machine, and its loopback interface is down.
    pub(super) fn ensure_loopback(&self) -> Result<()> {
        let target = self.check.target();
        let asks_a_port = target.port.is_some() || target.port_name.is_some();
        if !asks_a_port || !self.is_common_address() || sys::loopback_is_up() {
            return Ok(());
        }
        let mut scene = self.scene();
        scene.reason = "the loopback interface lo is down, so no service can answer there".into();
        scene.advice = "bring it up with `ip link set lo up`".into();
        Err(scene.into_error(ErrorKind::Io))
    }

    /// Returns whether the host is an address that all tests of this machine share.
    fn is_common_address(&self) -> bool {
        let host = self.known_host();
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: IpAddr| {
                ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
            })
    }
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
}
