//! The port of an executor: the free one, which it keeps, and the lease on a fixed one, which it gives
//! back with the end of its service.

use super::Session;
use crate::link::Link;
use crate::port::Held;

/// The free port that stands for `{port}`.
pub(super) struct FreePort {
    pub(super) port: u16,
    /// The name of the supervisor that has the lease.
    pub(super) leased_by: String,
    /// Somebody was told of it, or it was served there: it stays.
    pub(super) told: bool,
}

impl Session {
    /// The free port, if there is one yet, and whether this supervisor has the lease on it.
    pub(in crate::executor) fn port(&self, link: &Link) -> (Option<u16>, bool) {
        let state = self.state();
        let port = state.port.as_ref();
        let leased = port.is_some_and(|port| port.leased_by == link.name());
        (port.map(|port| port.port), leased)
    }

    pub(in crate::executor) fn leased(&self, port: u16, link: &Link) {
        let mut state = self.state();
        let told = state.port.as_ref().is_some_and(|port| port.told);
        state.port = Some(FreePort {
            port,
            leased_by: link.name().to_owned(),
            told,
        });
    }

    /// The free port, which must not change from now on.
    pub(in crate::executor) fn tell_port(&self) -> Option<u16> {
        let mut state = self.state();
        let port = state.port.as_mut()?;
        port.told = true;
        Some(port.port)
    }

    /// The free port, as long as nobody knows it.
    pub(in crate::executor) fn untold_port(&self) -> Option<u16> {
        let state = self.state();
        let port = state.port.as_ref().filter(|port| !port.told);
        port.map(|port| port.port)
    }

    /// Gives the free port back, for another one.
    pub(in crate::executor) fn forget_port(&self) {
        let (port, link) = {
            let mut state = self.state();
            (state.port.take(), state.link.clone())
        };
        if let (Some(port), Some(link)) = (port, link) {
            link.release(port.port);
        }
    }

    /// Whether this supervisor has the lease on the fixed port.
    pub(in crate::executor) fn holds(&self, port: u16, link: &Link) -> bool {
        let state = self.state();
        let held = state.held.as_ref();
        held.is_some_and(|(held, name)| held.port() == port && name == link.name())
    }

    /// The same for whatever supervisor has it.
    pub(in crate::executor) fn has_port(&self, port: u16) -> bool {
        let state = self.state();
        state
            .held
            .as_ref()
            .is_some_and(|(held, _)| held.port() == port)
    }

    /// The fixed port that this executor holds.
    pub(in crate::executor) fn held_port(&self) -> Option<u16> {
        self.state().held.as_ref().map(|(held, _)| held.port())
    }

    pub(in crate::executor) fn hold(&self, held: Held, link: &Link) {
        self.state().held = Some((held, link.name().to_owned()));
    }

    /// Gives the fixed port back. The free one is nobody else's, and stays.
    pub(in crate::executor) fn give_back(&self) {
        let (held, link) = {
            let mut state = self.state();
            state.reused = false;
            (state.held.take(), state.link.clone())
        };
        if let (Some((held, _)), Some(link)) = (held, link) {
            link.release(held.port());
        }
    }

    /// The supervisor has given the fixed port back.
    pub(in crate::executor) fn gave_back(&self) {
        let mut state = self.state();
        (state.held, state.reused) = (None, false);
    }

    /// The lease on the fixed port is not this process's any more.
    pub(in crate::executor) fn hand_over_port(&self) {
        self.state().held = None;
    }
}
