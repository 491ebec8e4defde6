//! Ready when `host:port` accepts a connection.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Context, Manner, NotReady, Readiness, Target};
use crate::sys::{self, Whose};
use crate::wait;

/// Ready when `host:port` accepts a connection.
///
/// `localhost` is both loopbacks, `127.0.0.1` and `::1`, whatever the hosts file says. On a
/// loopback address of Linux the kernel is asked for a listener first (`sock_diag(7)`), so that the
/// service is not disturbed by connections that are refused, and one real connection confirms.
///
/// What answers must be a process of the tree: where another program came first, the start fails
/// with `AlreadyRunning` and says which. A service that has a process outside of its tree listen for
/// it (a container's proxy, a daemon activated by a socket) needs
/// [`any_listener`](Self::any_listener).
#[derive(Debug)]
pub struct Tcp {
    host: String,
    port: u16,
    /// When a connection was last tried although the kernel knew of no listener, in milliseconds
    /// of the start.
    tried: AtomicU64,
    any_listener: bool,
    /// Kept from one look to the next.
    listeners: Mutex<Option<sys::Listeners>>,
}

/// A connection is tried although the kernel knows of no listener: it may stand in another network
/// namespace, or be reached by a rule of the packet filter. Not sooner after the last one than this
/// many milliseconds, nor than this share of the time waited.
const TRY_ANYWAY: u64 = 100;
const TRY_SHARE: u64 = 5;

/// Told by the kernel when it is asked, or by a connection.
const REFUSED: &str = "connection refused: nobody listens there";
/// It answers, and passes by in a moment most often.
const UNSEEN: &str = "it answers, but no process can be seen to listen there: where another has the socket for it, say so with `any_listener()`";

impl Tcp {
    /// Checks this host and port; port 0 is the executor's own.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tried: AtomicU64::new(0),
            any_listener: false,
            listeners: Mutex::default(),
        }
    }

    /// Takes whatever answers for the service, also where it is no process of its tree.
    #[must_use]
    pub fn any_listener(mut self) -> Self {
        self.any_listener = true;
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

    fn listeners(&self) -> MutexGuard<'_, Option<sys::Listeners>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the kernel says that connecting is in vain.
    fn in_vain(&self, cx: &Context, addresses: &[SocketAddr]) -> bool {
        // Taken out while it is used: a question and its answer belong together.
        let kept = self.listeners().take();
        let Some(listeners) = kept.or_else(sys::Listeners::open) else {
            return false;
        };
        let may_listen = |address: &SocketAddr| listeners.any_at(*address) != Some(false);
        if addresses.iter().any(may_listen) {
            return false;
        }
        *self.listeners() = Some(listeners);
        let now = u64::try_from(cx.start.deadline.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.tried.load(Ordering::Relaxed);
        let due = now < last || now - last >= TRY_ANYWAY.max(now / TRY_SHARE);
        if due {
            self.tried.store(now, Ordering::Relaxed);
        }
        !due
    }
}

impl Clone for Tcp {
    fn clone(&self) -> Self {
        Self {
            any_listener: self.any_listener,
            ..Self::new(self.host.clone(), self.port)
        }
    }
}

impl Readiness for Tcp {
    fn pre_start_check(&self, cx: &Context) -> bool {
        let addresses = self.addresses(cx);
        addresses.is_ok_and(|addresses| is_served(&addresses, cx))
    }

    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let addresses = self.addresses(cx)?;
        if self.in_vain(cx, &addresses) {
            return Err(NotReady::new(REFUSED));
        }
        connect_to_service(&addresses, self.any_listener, cx)
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
}

/// `host:port`, with brackets where the host is an IPv6 address.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(crate) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, NotReady> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ]);
    }
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| NotReady::new(format!("{host}: {error}")))?;
    let addresses: Vec<_> = found.map(connectable).collect();
    if addresses.is_empty() {
        Err(NotReady::new(format!("{host} has no address")))
    } else {
        Ok(addresses)
    }
}

/// A service bound to the wildcard address is reached on the loopback.
fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return address,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether somebody accepts connections, and not only until a fork on another thread has become its
/// program.
pub(crate) fn is_served(addresses: &[SocketAddr], cx: &Context) -> bool {
    let passing = Instant::now() + PASSING;
    loop {
        let Ok(address) = connect(addresses, cx) else {
            return false;
        };
        if Instant::now() >= passing || !sys::is_passing(address) {
            return true;
        }
        wait::pause(Duration::from_millis(1));
    }
}

/// How long a fork may take to become its program.
const PASSING: Duration = Duration::from_millis(500);

/// Connects. Who answers must be a process of the tree, unless any listener will do.
pub(crate) fn connect_to_service(
    addresses: &[SocketAddr],
    any_listener: bool,
    cx: &Context,
) -> Result<(), NotReady> {
    let address = connect(addresses, cx)?;
    let Some((main, supervisor)) = cx.tree().filter(|_| !any_listener) else {
        return Ok(());
    };
    match sys::whose_listener(address, main, supervisor) {
        Whose::Ours | Whose::Unknown => Ok(()),
        Whose::Passing => Err(NotReady::new(UNSEEN)),
        Whose::Stranger(holder) => Err(NotReady::taken_by(holder)),
    }
}

/// One address that accepts is enough: which it was.
fn connect(addresses: &[SocketAddr], cx: &Context) -> Result<SocketAddr, NotReady> {
    let end = Instant::now() + cx.patience();
    let mut last = NotReady::new("no time was left to connect");
    for address in addresses {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) if is_self_connected(&stream) => {
                last = NotReady::new("the port was connected to itself: nobody listens there");
            }
            Ok(_) => return Ok(*address),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                last = NotReady::new(REFUSED);
            }
            Err(error) => last = NotReady::new(error.to_string()),
        }
    }
    Err(last)
}

/// A port of the kernel's ephemeral range can be given to the very connection that asks for it
/// (simultaneous open, RFC 9293 3.5): nobody listens then.
fn is_self_connected(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}
