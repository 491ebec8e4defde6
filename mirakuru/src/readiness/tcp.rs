//! Ready when `host:port` accepts a connection.

use super::endpoint::Endpoint;
use super::listener::{Seen, connect};
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};

/// Ready when `host:port` accepts a connection.
///
/// `localhost` is both loopbacks, `127.0.0.1` and `::1`, whatever the hosts file says. On Linux the kernel is
/// asked for the listener (`sock_diag(7)`). If it shows one of the tree, no connection is made, so a server that
/// accepts a single client still serves the test. If the kernel cannot tell, one connection confirms: for an
/// address of another network namespace or machine, or if a process of the tree hides in `/proc` what it has
/// open. On macOS and on Windows, the system's list of listeners takes the place of this look; other Unixes connect.
///
/// The listener must be a process of the tree: where another program came first, the start fails
/// with `AlreadyRunning` and says which. A service that has a process outside of its tree listen for
/// it (a container's proxy, a daemon activated by a socket) needs
/// [`any_listener`](Self::any_listener).
#[derive(Clone, Debug)]
pub struct Tcp {
    at: Endpoint,
}

impl Tcp {
    /// Checks this host and port; port 0 is the executor's own.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let at = Endpoint::new(host.into(), port);
        Self { at }
    }

    /// Takes whatever answers for the service, also where it is no process of its tree.
    #[must_use]
    pub fn any_listener(self) -> Self {
        let at = self.at.any_listener();
        Self { at }
    }
}

impl Readiness for Tcp {
    fn pre_start_check(&self, cx: &Context) -> bool {
        self.at.is_served(cx)
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        match self.at.look(cx)? {
            Seen::At(address) => {
                cx.note_answer(address);
                Ok(())
            }
            Seen::Untold(addresses) => {
                let address = connect(&addresses, cx.patience())?;
                self.at.confirm(address, cx)
            }
        }
    }

    fn describe(&self, cx: &Context) -> String {
        format!("{} to accept a connection", self.at.shown(cx))
    }

    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        self.at.validate(cx)
    }

    fn target(&self) -> Target {
        self.at.target()
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner {
            keeps_time: self.at.is_numeric(),
            ..Manner::non_blocking()
        }
    }

    fn origin(&self, cx: &Context) -> Origin {
        self.at.origin(cx)
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
