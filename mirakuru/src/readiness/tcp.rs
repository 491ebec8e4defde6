//! Ready when `host:port` accepts a connection.

use std::net::SocketAddr;

use super::listener::{Listener, Seen, connect, is_of_this_machine, is_served, resolve};
use super::{Context, Manner, NotReady, Origin, Readiness, Target};

/// Ready when `host:port` accepts a connection.
///
/// `localhost` is both loopbacks, `127.0.0.1` and `::1`, whatever the hosts file says. On Linux the kernel is
/// asked for the listener (`sock_diag(7)`). If it shows one of the tree, no connection is made, so a server that
/// accepts a single client still serves the test. If the kernel cannot tell, one connection confirms: for an
/// address of another network namespace or machine, or if a process of the tree hides in `/proc` what it has
/// open.
///
/// The listener must be a process of the tree: where another program came first, the start fails
/// with `AlreadyRunning` and says which. A service that has a process outside of its tree listen for
/// it (a container's proxy, a daemon activated by a socket) needs
/// [`any_listener`](Self::any_listener).
#[derive(Clone, Debug)]
pub struct Tcp {
    host: String,
    port: u16,
    listener: Listener,
}

impl Tcp {
    /// Checks this host and port; port 0 is the executor's own.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            listener: Listener::default(),
        }
    }

    /// Takes whatever answers for the service, also where it is no process of its tree.
    #[must_use]
    pub fn any_listener(mut self) -> Self {
        self.listener = Listener::any();
        self
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
}

impl Readiness for Tcp {
    fn pre_start_check(&self, cx: &Context) -> bool {
        let addresses = self.addresses(cx);
        addresses.is_ok_and(|addresses| is_served(&addresses, cx))
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        match self.listener.look(&self.addresses(cx)?, cx)? {
            Seen::At(address) => {
                cx.note_answer(address);
                Ok(())
            }
            Seen::Untold(addresses) => {
                let address = connect(&addresses, cx.patience())?;
                self.listener.confirm(address, cx)
            }
        }
    }

    fn describe(&self, cx: &Context) -> String {
        let (host, port) = self
            .address(cx)
            .unwrap_or_else(|_| (self.host.clone(), self.port));
        format!("{} to accept a connection", join(&host, port))
    }

    fn validate(&self, cx: &Context) -> Result<(), String> {
        let (host, _) = self.address(cx)?;
        if host.trim().is_empty() {
            Err("the host is empty".to_owned())
        } else {
            Ok(())
        }
    }

    fn target(&self) -> Target {
        Target {
            host: Some(self.host.clone()),
            port: Some(self.port),
            ..Target::default()
        }
    }

    fn manner(&self, _cx: &Context) -> Manner {
        // Looking up a name may take as long as it likes.
        let numeric = self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok();
        Manner {
            keeps_time: numeric,
            ..Manner::punctual()
        }
    }

    fn origin(&self, cx: &Context) -> Origin {
        let host = self.address(cx);
        let is_here = host.is_ok_and(|(host, _)| is_of_this_machine(&host));
        Origin::of_listener(is_here && !self.listener.is_any())
    }
}

/// `host:port`, with brackets where the host is an IPv6 address.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
