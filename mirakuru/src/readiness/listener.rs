//! The listener that a check asks for. The kernel says whether a process of the tree listens, so that a server is
//! not disturbed by a connection; only if the kernel cannot tell does a connection have to show it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::not_ready::REFUSED;
use super::{Context, NotReady};
use crate::sys::{self, ListenerOwner};
use crate::wait;

/// Looks for the listener of one check.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// The listener may be any process.
    any: bool,
    /// When a connection was last tried although the kernel knew of no listener, in milliseconds
    /// of the start.
    tried: AtomicU64,
    /// Kept from one look to the next.
    kernel: Mutex<Option<sys::Listeners>>,
}

/// What the kernel says of a listener.
pub(super) enum Seen {
    /// The service listens at this address.
    At(SocketAddr),
    /// The kernel cannot tell: a connection to one of these addresses shows it.
    Untold(Vec<SocketAddr>),
}

/// A connection is tried although the kernel knows of no listener: it may stand in another network
/// namespace, or be reached by a rule of the packet filter. Not sooner after the last one than this
/// many milliseconds, nor than this share of the time waited.
const TRY_ANYWAY: u64 = 100;
const TRY_SHARE: u64 = 5;

/// How long a connection that is refused may take. A request that is refused takes longer.
#[cfg(any(feature = "http", feature = "services"))]
const REFUSAL: Duration = Duration::from_millis(5);
/// A socket listens, and passes by in a moment most often.
const UNSEEN: &str = "it answers, but no process can be seen to listen there: where another has the socket for it, say so with `any_listener()`";

/// How long a fork may take to become its program.
const PASSING: Duration = Duration::from_millis(500);

impl Listener {
    /// Takes any process for the listener.
    pub(super) fn any() -> Self {
        Self {
            any: true,
            ..Self::default()
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.any
    }

    /// Looks for the listener at these addresses, the first one first.
    pub(super) fn look(&self, addresses: &[SocketAddr], cx: &Context) -> Result<Seen, NotReady> {
        // Taken out while it is used: a question and its answer belong together.
        let Some(kernel) = self.kernel().take().or_else(sys::Listeners::open) else {
            return Ok(Seen::Untold(addresses.to_vec()));
        };
        let seen = addresses
            .iter()
            .map(|address| (*address, kernel.any_at(*address)));
        let seen: Vec<_> = seen.collect();
        *self.kernel() = Some(kernel);
        let (mut untold, mut passing) = (Vec::new(), false);
        for (address, listens) in seen {
            let is_right = match listens {
                Some(true) => self.is_right(address, cx),
                Some(false) => continue,
                None => Ok(false),
            };
            match is_right {
                Ok(true) => return Ok(Seen::At(address)),
                Ok(false) => untold.push(address),
                Err(why) if why.holder.is_some() => return Err(why),
                Err(_) => passing = true,
            }
        }
        if !untold.is_empty() {
            return Ok(Seen::Untold(untold));
        }
        if passing {
            return Err(NotReady::new(UNSEEN));
        }
        let now = now(cx);
        if self.is_due(now) {
            self.tried.store(now, Ordering::Relaxed);
            return Ok(Seen::Untold(addresses.to_vec()));
        }
        Err(NotReady::new(REFUSED))
    }

    /// Fails as [`look`](Self::look) does if the kernel knows of no listener, and a connection that is due is refused.
    #[cfg(any(feature = "http", feature = "services"))]
    pub(super) fn glance(&self, addresses: &[SocketAddr], cx: &Context) -> Result<(), NotReady> {
        let is_absent = {
            let kernel = self.kernel();
            let listens = |address: &SocketAddr| kernel.as_ref()?.any_at(*address);
            let mut answers = addresses.iter().map(listens);
            answers.all(|listens| listens == Some(false))
        };
        let now = now(cx);
        let is_due = self.is_due(now);
        let is_refused = || connect(addresses, REFUSAL).is_err_and(|why| why.reason == REFUSED);
        if !is_absent || (is_due && !is_refused()) {
            return Ok(());
        }
        if is_due {
            self.tried.store(now, Ordering::Relaxed);
        }
        Err(NotReady::new(REFUSED))
    }

    /// Looks once more after a connection was accepted that the kernel could not tell of: the listener may have
    /// come at that moment.
    pub(super) fn confirm(&self, address: SocketAddr, cx: &Context) -> Result<(), NotReady> {
        let kernel = sys::Listeners::open();
        let listens = kernel.and_then(|kernel| kernel.any_at(address));
        if listens == Some(true) {
            self.is_right(address, cx)?;
        }
        cx.note_answer(address);
        Ok(())
    }

    /// Whether the listener that the kernel shows is the service's; `false` if the kernel cannot tell.
    fn is_right(&self, address: SocketAddr, cx: &Context) -> Result<bool, NotReady> {
        let Some((main, supervisor)) = cx.tree().filter(|_| !self.any) else {
            return Ok(true);
        };
        match sys::owner_of_listener(address, main, supervisor) {
            ListenerOwner::Ours(holder) => {
                cx.note_listener(Place::Tcp(address), holder);
                Ok(true)
            }
            ListenerOwner::Unknown => Ok(false),
            ListenerOwner::Unclaimed => Err(NotReady::new(UNSEEN)),
            ListenerOwner::Stranger(holder) => Err(NotReady::taken_by(holder)),
        }
    }

    fn kernel(&self) -> MutexGuard<'_, Option<sys::Listeners>> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection is worth a try that the kernel says is refused.
    fn is_due(&self, now: u64) -> bool {
        let last = self.tried.load(Ordering::Relaxed);
        now < last || now - last >= TRY_ANYWAY.max(now / TRY_SHARE)
    }
}

impl Clone for Listener {
    fn clone(&self) -> Self {
        Self {
            any: self.any,
            ..Self::default()
        }
    }
}

/// The milliseconds of the start.
fn now(cx: &Context) -> u64 {
    u64::try_from(cx.start.deadline.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    #[allow(dead_code, reason = "not every system has sockets with paths")]
    Path(std::path::PathBuf),
}

/// Whether a process listens before the start, and not only until a fork on another thread has become its
/// program.
pub(super) fn is_served(addresses: &[SocketAddr], cx: &Context) -> bool {
    let passing = Instant::now() + PASSING;
    let kernel = sys::Listeners::open();
    let listens = |address: &SocketAddr| kernel.as_ref()?.any_at(*address);
    loop {
        let known = addresses
            .iter()
            .find(|address| listens(address) == Some(true));
        // An address that does not answer takes its time: the service must have most of it.
        let patience = cx.patience().min(cx.remaining() / 4);
        let address = match known {
            Some(address) => *address,
            None => match connect(addresses, patience) {
                Ok(address) => address,
                Err(_) => return false,
            },
        };
        if Instant::now() >= passing || !sys::is_unclaimed(address) {
            return true;
        }
        wait::pause(Duration::from_millis(1));
    }
}

/// Connects to one of these addresses, and returns which one accepted.
pub(super) fn connect(
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<SocketAddr, NotReady> {
    connection(addresses, patience).map(|(_, address)| address)
}

/// Connects to one of these addresses, and returns the connection and which one accepted.
pub(super) fn connection(
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<(TcpStream, SocketAddr), NotReady> {
    let end = Instant::now() + patience;
    let mut last = NotReady::new("no time was left to connect");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        // Each one has its share: the first may not answer at all.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let share = end.saturating_duration_since(Instant::now()) / left;
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) if is_self_connected(&stream) => {
                last = NotReady::new("the port was connected to itself: nobody listens there");
            }
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => {
                last = match error.kind() {
                    ErrorKind::TimedOut => NotReady::new(format!("{address} did not answer")),
                    _ => error.into(),
                };
            }
        }
    }
    Err(last)
}

/// A port of the kernel's ephemeral range can be given to the very connection that asks for it
/// (simultaneous open, RFC 9293 3.5): nobody listens then.
fn is_self_connected(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// Returns the addresses of a host. `localhost` is both loopbacks, whatever the hosts file says.
pub(super) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, NotReady> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if is_localhost(host) {
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

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// Whether only processes of this machine can listen at the host. Another name may be one of any machine.
pub(super) fn is_of_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host)
        || host.parse().is_ok_and(|ip: IpAddr| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        })
}
