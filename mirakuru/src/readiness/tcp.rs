//! The check that is ready when `host:port` accepts a connection.

use super::endpoint::Endpoint;
use super::listener::{Seen, connect};
use super::{ConfigError, Context, Manner, NotReady, Origin, Readiness, Target};

/// Ready when `host:port` accepts a connection.
///
/// `localhost` is both loopback addresses, `127.0.0.1` and `::1`, even if the hosts file lists only one.
///
/// On Linux, the check asks the kernel for the listener (`sock_diag(7)`). If a process of the tree listens, the check
/// makes no connection, so a server that accepts a single client still serves the test. In two cases the kernel does
/// not show the listener, and the check connects once instead: the address belongs to another network namespace or
/// machine, or a process of the tree hides its open files in `/proc`. On macOS, the check reads the open sockets of
/// each process, and on Windows, the system's table of listeners. On other Unixes, it connects.
///
/// The listener must be a process of the tree. If another program has the port, the start fails with `AlreadyRunning`
/// and the error names that program. If a process outside the tree listens for the service, such as a container's proxy
/// or a daemon activated by a socket, use [`any_listener`](Self::any_listener).
///
/// ```
/// use std::net::TcpListener;
///
/// use mirakuru::{ErrorKind, Executor, readiness::Tcp};
///
/// let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
/// let port = other.local_addr().expect("it is bound").port();
/// let service = Executor::with_readiness("sleep 60", Tcp::new("127.0.0.1", port));
/// let kind = service.start().err().map(|error| error.kind());
/// assert_eq!(kind, Some(ErrorKind::AlreadyRunning));
/// ```
#[derive(Clone, Debug)]
pub struct Tcp {
    at: Endpoint,
}

impl Tcp {
    /// Creates a check for this host and port. Port 0 means the executor's own port.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Tcp};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Tcp::new("::1", 0);
    /// let service = Executor::with_readiness("my-server --listen [::1]:{port}", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let at = Endpoint::new(host.into(), port);
        Self { at }
    }

    /// Accepts any listener, even one outside the service's process tree.
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Tcp};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Tcp::new("127.0.0.1", 0).any_listener();
    /// let cache = Executor::with_readiness("docker run --rm -p {port}:11211 memcached:1", check).started()?;
    /// # Ok(())
    /// # }
    /// ```
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
            Seen::Unknown(addresses) => {
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

/// Returns `host:port`, with brackets around the host if it is an IPv6 address.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
