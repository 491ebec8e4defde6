//! The ports that an executor knows: its free ports by name, the claim on its fixed port, and the supervisor that
//! holds each lease.

use std::collections::BTreeMap;

use crate::port::PortClaim;

#[derive(Default)]
pub(super) struct Port {
    /// The free ports by name, so that a restart uses the same ports. The name of `{port}` is empty.
    free: BTreeMap<String, FreePort>,
    /// The claim on the fixed port, and the name of the supervisor that holds the lease.
    claim: Option<(PortClaim, String)>,
    /// Whether the start uses a service that was already running.
    pub(super) reused: bool,
    /// The address at which the reused service answered.
    pub(super) answered: Option<String>,
}

struct FreePort {
    number: u16,
    /// The name of the supervisor that holds the lease.
    supervisor: String,
    /// Whether the number may no longer change: the user knows it, or a service was ready there.
    settled: bool,
}

impl Port {
    /// Returns the free port of this name.
    pub(super) fn free(&self, name: &str) -> Option<u16> {
        self.free.get(name).map(|free| free.number)
    }

    /// Returns the free port of this name, if the supervisor holds the lease on it.
    pub(super) fn leased_by(&self, name: &str, supervisor: &str) -> Option<u16> {
        let free = self.free.get(name)?;
        (free.supervisor == supervisor).then_some(free.number)
    }

    pub(super) fn lease(&mut self, name: String, number: u16, supervisor: &str) {
        let settled = self.free.get(&name).is_some_and(|free| free.settled);
        let free = FreePort {
            number,
            supervisor: supervisor.to_owned(),
            settled,
        };
        self.free.insert(name, free);
    }

    /// Notes a port that another test process leased. The service listens there, so the port does not change.
    pub(super) fn adopt(&mut self, name: &str, number: u16, supervisor: &str) {
        self.lease(name.to_owned(), number, supervisor);
        self.settle(name);
    }

    /// Returns the free port of this name, which does not change from now on.
    pub(super) fn settle(&mut self, name: &str) -> Option<u16> {
        let free = self.free.get_mut(name)?;
        free.settled = true;
        Some(free.number)
    }

    pub(super) fn settle_all(&mut self) {
        for free in self.free.values_mut() {
            free.settled = true;
        }
    }

    /// Returns the free ports that may still change.
    pub(super) fn unsettled(&self) -> Vec<(String, u16)> {
        let unsettled = self.free.iter().filter(|(_, free)| !free.settled);
        unsettled
            .map(|(name, free)| (name.clone(), free.number))
            .collect()
    }

    /// Returns the free ports by name.
    pub(super) fn known(&self) -> BTreeMap<String, u16> {
        let known = self.free.iter();
        known
            .map(|(name, free)| (name.clone(), free.number))
            .collect()
    }

    pub(super) fn claimed(&self) -> Option<u16> {
        self.claim.as_ref().map(|(claim, _)| claim.port)
    }

    pub(super) fn is_claimed_by(&self, port: u16, supervisor: &str) -> bool {
        let claim = self.claim.as_ref();
        claim.is_some_and(|(claim, holder)| claim.port == port && holder == supervisor)
    }

    /// Forgets the free port of this name, so that the next lease is on another port.
    pub(super) fn forget_free(&mut self, name: &str) {
        self.free.remove(name);
    }

    /// Notes the claim on the fixed port, whose lease this supervisor holds. Returns the former claim.
    #[must_use]
    pub(super) fn claim(&mut self, claim: PortClaim, supervisor: &str) -> Option<PortClaim> {
        let former = self.claim.replace((claim, supervisor.to_owned()));
        former.map(|(claim, _)| claim)
    }

    /// Ends the claim without a release: the supervisor is gone, or the run has the port now.
    pub(super) fn drop_claim(&mut self) -> Option<PortClaim> {
        self.claim.take().map(|(claim, _)| claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_changes_until_it_is_settled() {
        let mut port = Port::default();
        assert_eq!((port.settle(""), port.unsettled()), (None, vec![]));
        port.lease(String::new(), 7, "first");
        port.lease("other".to_owned(), 8, "first");
        assert_eq!(
            (port.unsettled().len(), port.leased_by("", "first")),
            (2, Some(7))
        );
        assert_eq!(port.settle(""), Some(7));
        assert_eq!(port.unsettled(), [("other".to_owned(), 8)]);
    }

    #[test]
    fn a_new_supervisor_must_lease_the_port_again() {
        let mut port = Port::default();
        port.adopt("a", 7, "killed");
        assert_eq!(
            (port.leased_by("a", "new"), port.free("a")),
            (None, Some(7))
        );
        port.lease("a".to_owned(), 7, "new");
        assert_eq!(port.leased_by("a", "new"), Some(7));
        assert_eq!(port.unsettled(), [], "the port stays settled");
    }

    #[test]
    fn a_claim_counts_for_its_supervisor_alone() {
        let mut port = Port::default();
        let claim = PortClaim::note(9, "a test", false);
        assert!(port.claim(claim, "one").is_none());
        assert!(port.is_claimed_by(9, "one"));
        assert!(!port.is_claimed_by(9, "two") && !port.is_claimed_by(8, "one"));
        assert_eq!(port.claimed(), Some(9));
        drop(port.drop_claim());
        assert_eq!(
            (port.claimed(), PortClaim::conflicting_holder(9)),
            (None, None)
        );
    }
}
