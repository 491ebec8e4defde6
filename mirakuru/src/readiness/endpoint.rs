//! The host and the port that a check asks, and the listener there.
//!
//! The host may contain placeholders, and the port may be the executor's own. The context of a start gives their
//! values.

use std::net::{IpAddr, SocketAddr};

use super::listener::{Listener, Seen, is_of_this_machine, is_served, resolve};
use super::tcp::join;
use super::{ConfigError, Context, NotReady, Origin, Target};

/// A host and a port as the user wrote them, and the listener there.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    host: String,
    /// The port. 0 means the executor's own port.
    port: u16,
    listener: Listener,
}

impl Endpoint {
    pub(super) fn new(host: String, port: u16) -> Self {
        Self {
            host,
            port,
            listener: Listener::default(),
        }
    }

    /// Accepts any process as the listener.
    pub(super) fn any_listener(self) -> Self {
        Self {
            listener: Listener::any(),
            ..self
        }
    }

    fn address(&self, cx: &Context) -> Result<(String, u16), String> {
        let port = if self.port == 0 { cx.port() } else { self.port };
        Ok((cx.fill(&self.host)?, port))
    }

    fn addresses(&self, cx: &Context) -> Result<Vec<SocketAddr>, NotReady> {
        match self.address(cx).map_err(NotReady::new)? {
            (_, 0) => Err(NotReady::new("the port is not known yet")),
            (host, port) => resolve(&host, port),
        }
    }

    /// Returns `host:port` in human-readable form.
    pub(super) fn shown(&self, cx: &Context) -> String {
        let written = |_| (self.host.clone(), self.port);
        let (host, port) = self.address(cx).unwrap_or_else(written);
        join(&host, port)
    }

    /// Returns whether a process listens before the start.
    pub(super) fn is_served(&self, cx: &Context) -> bool {
        let addresses = self.addresses(cx);
        addresses.is_ok_and(|addresses| is_served(&addresses, cx))
    }

    /// Looks for the listener in the kernel's list.
    pub(super) fn look(&self, cx: &Context) -> Result<Seen, NotReady> {
        self.listener.look(&self.addresses(cx)?, cx)
    }

    /// Looks for the listener again, at the address that accepted a connection.
    pub(super) fn confirm(&self, address: SocketAddr, cx: &Context) -> Result<(), NotReady> {
        self.listener.confirm(address, cx)
    }

    /// Fails if no process listens. Passes if the host is a name that must be looked up first.
    #[cfg(feature = "services")]
    pub(super) fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        if self.is_numeric() {
            self.listener.glance(&self.addresses(cx)?, cx)
        } else {
            Ok(())
        }
    }

    pub(super) fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        let (host, _) = self.address(cx)?;
        if host.trim().is_empty() {
            Err("the host is empty".into())
        } else {
            Ok(())
        }
    }

    pub(super) fn target(&self) -> Target {
        Target {
            host: Some(self.host.clone()),
            port: Some(self.port),
            ..Target::default()
        }
    }

    /// Returns whether the host needs no name lookup, which may take any time.
    pub(super) fn is_numeric(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok()
    }

    pub(super) fn origin(&self, cx: &Context) -> Origin {
        let host = self.address(cx);
        let is_here = host.is_ok_and(|(host, _)| is_of_this_machine(&host));
        Origin::of_listener(is_here && !self.listener.is_any())
    }
}
