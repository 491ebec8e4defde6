//! Releases ports: the fixed port at the end of a service, and a free port that an unrelated process has taken.
//!
//! A port is released only after the process tree is gone. A stop sends the port in its own request, and the
//! supervisor releases it after the end of the tree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::core::Core;
use super::port::Wanted;
use crate::error::{Error, ErrorKind};
use crate::sys;

impl Core {
    /// Returns the fixed port whose lease this executor, or the run, must release.
    pub(super) fn port_to_release(&self) -> Option<u16> {
        match self.wanted_port() {
            Wanted::Fixed(port) if self.shared_link().is_some() => Some(port),
            _ => self.state(|state| state.port.claimed()),
        }
    }

    /// Releases the fixed port. Keeps the free ports, which no other executor uses.
    pub(super) fn give_port_back(&self) {
        let link = self.state(|state| state.link.clone());
        if let (Some(port), Some(link)) = (self.port_to_release(), link) {
            link.release(port);
        }
        self.note_port_given_back();
    }

    /// Notes that the supervisor has released the fixed port.
    pub(super) fn note_port_given_back(&self) {
        drop(self.state(|state| {
            state.port.reused = false;
            state.port.answered = None;
            state.port.drop_claim()
        }));
    }

    /// Releases the free ports that an unrelated process has taken, so that the next attempt gets other ports.
    /// Returns whether a start that failed with this error should be repeated. Ports that the user knows never change.
    pub(super) fn changes_ports(&self, failed: &Error) -> bool {
        let collision = matches!(
            failed.kind(),
            ErrorKind::AlreadyRunning | ErrorKind::ProcessExitedWithError
        );
        let mut taken = self.state(|state| state.port.unsettled());
        taken.retain(|(_, port)| collision && accepts(*port));
        let link = self.state(|state| state.link.clone());
        for (name, port) in &taken {
            self.state(|state| state.port.forget_free(name));
            if let Some(link) = &link {
                link.release(*port);
            }
        }
        !taken.is_empty()
    }
}

/// Returns whether any process accepts connections on this port of the loopback interface.
fn accepts(port: u16) -> bool {
    let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopbacks.into_iter().any(|ip: IpAddr| {
        let patience = Duration::from_millis(500);
        sys::connect(SocketAddr::new(ip, port), patience).is_ok()
    })
}
