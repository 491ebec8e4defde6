//! The listener that a check waits for.
//!
//! The kernel reports whether a process of the tree listens, so that the check does not disturb the server with a
//! connection. The check connects only if the kernel cannot see the listener.

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
    /// The kernel's list of listeners, kept open between two looks.
    kernel: Mutex<Option<sys::Listeners>>,
}

/// The kernel's answer about a listener.
pub(super) enum Seen {
    /// The service listens at this address.
    At(SocketAddr),
    /// The kernel cannot see whether a process listens. A connection to one of these addresses shows it.
    Unknown(Vec<SocketAddr>),
}

/// The shortest pause, in milliseconds, between two connections that are tried although the kernel knows of no
/// listener. The listener may be in another network namespace, or a rule of the packet filter may lead to it.
const TRY_ANYWAY: u64 = 100;
/// The pause is also at least the time waited so far, divided by this number.
const TRY_SHARE: u64 = 5;

/// How long a refused connection may take. A refused HTTP request takes longer.
#[cfg(any(feature = "http", feature = "services"))]
const REFUSAL: Duration = Duration::from_millis(5);
/// The reason if a socket listens that no visible process has open. Usually this lasts only a moment.
const UNSEEN: &str = "it answers, but no listening process is visible: if another program holds the socket for the service, use `any_listener()`";

/// How long a forked child may take to execute its program. Until then it has the parent's sockets open.
const FORK_TO_EXEC: Duration = Duration::from_millis(500);

impl Listener {
    /// Accepts any process as the listener.
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
        // Taken out of the lock while this thread uses it, so that no other thread reads the answer to its question.
        let Some(kernel) = self.kernel().take().or_else(sys::Listeners::open) else {
            return Ok(Seen::Unknown(addresses.to_vec()));
        };
        let seen = addresses
            .iter()
            .map(|address| (*address, kernel.any_at(*address)));
        let seen: Vec<_> = seen.collect();
        *self.kernel() = Some(kernel);
        let (mut unknown, mut unclaimed) = (Vec::new(), false);
        for (address, listens) in seen {
            let is_right = match listens {
                Some(true) => self.is_right(address, cx),
                Some(false) => continue,
                None => Ok(false),
            };
            match is_right {
                Ok(true) => return Ok(Seen::At(address)),
                Ok(false) => unknown.push(address),
                Err(why) if why.holder.is_some() => return Err(why),
                Err(_) => unclaimed = true,
            }
        }
        if !unknown.is_empty() {
            return Ok(Seen::Unknown(unknown));
        }
        if unclaimed {
            return Err(NotReady::new(UNSEEN));
        }
        let now = now(cx);
        if self.is_due(now) {
            self.tried.store(now, Ordering::Relaxed);
            return Ok(Seen::Unknown(addresses.to_vec()));
        }
        Err(NotReady::new(REFUSED))
    }

    /// Fails as [`look`](Self::look) does if the kernel knows of no listener. If a connection is due, it must be
    /// refused too.
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

    /// Looks again after a connection was accepted although the kernel showed no listener: the listener may have come
    /// in between.
    pub(super) fn confirm(&self, address: SocketAddr, cx: &Context) -> Result<(), NotReady> {
        let kernel = sys::Listeners::open();
        let listens = kernel.and_then(|kernel| kernel.any_at(address));
        if listens == Some(true) {
            self.is_right(address, cx)?;
        }
        cx.note_answer(address);
        Ok(())
    }

    /// Returns whether the listener that the kernel shows belongs to the service. Returns `false` if the kernel does
    /// not show the owner.
    ///
    /// # Errors
    ///
    /// [`NotReady`] if another process has the listener, or if only a child that was just forked, or no visible
    /// process, has it open.
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

    /// Returns whether the check should try a connection although the kernel shows no listener.
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

/// Returns the milliseconds since the start began.
fn now(cx: &Context) -> u64 {
    u64::try_from(cx.start.deadline.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The place at which a service listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    #[allow(dead_code, reason = "not every system has sockets with paths")]
    Path(std::path::PathBuf),
}

/// Returns whether a process listens before the start.
///
/// A child that another thread has just forked may still have an inherited listener open. It does not count if it
/// closes the listener in time, when it executes its program.
pub(super) fn is_served(addresses: &[SocketAddr], cx: &Context) -> bool {
    let fork_ends = Instant::now() + FORK_TO_EXEC;
    let kernel = sys::Listeners::open();
    let listens = |address: &SocketAddr| kernel.as_ref()?.any_at(*address);
    loop {
        let known = addresses
            .iter()
            .find(|address| listens(address) == Some(true));
        // An address that does not answer takes all of its patience, but the service needs most of the time left.
        let patience = cx.patience().min(cx.remaining() / 4);
        let address = match known {
            Some(address) => *address,
            None => match connect(addresses, patience) {
                Ok(address) => address,
                Err(_) => return false,
            },
        };
        if Instant::now() >= fork_ends || !sys::is_unclaimed(address) {
            return true;
        }
        wait::pause(Duration::from_millis(1));
    }
}

/// Connects to one of these addresses, and returns the one that accepted.
pub(super) fn connect(
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<SocketAddr, NotReady> {
    connection(addresses, patience).map(|(_, address)| address)
}

/// Connects to one of these addresses, and returns the connection and the address that accepted.
pub(super) fn connection(
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<(TcpStream, SocketAddr), NotReady> {
    let end = Instant::now() + patience;
    let mut last = NotReady::new("no time was left to connect");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        // Each address gets its share of the time, as the first one may not answer at all.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let share = end.saturating_duration_since(Instant::now()) / left;
        if share.is_zero() {
            break;
        }
        match sys::connect(*address, share) {
            Ok(stream) if is_self_connected(&stream) => {
                last = NotReady::new("the connection reached itself: no process listens there");
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

/// Returns whether a connection has reached itself, so that no process listens. The kernel can give a port of its
/// ephemeral range to the very connection that connects to it (simultaneous open, RFC 9293 3.5).
fn is_self_connected(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// Returns the addresses of a host. `localhost` is both loopback addresses, even if the hosts file lists only one.
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

/// Replaces a wildcard address by the loopback address, at which a service bound to it can be reached.
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

/// Returns whether only processes of this machine can listen at the host. Any other name may belong to another machine.
pub(super) fn is_of_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host)
        || host.parse().is_ok_and(|ip: IpAddr| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        })
}

#[cfg(test)]
mod tests {
    use super::super::Start;
    use super::*;
    use crate::command;
    use crate::loopback::bound;
    use crate::wait::Deadline;

    #[test]
    fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let [(_full, full), (_good, good)] = [(); 2].map(|()| bound());
        // A listener does not answer while its backlog is full.
        let connect = || TcpStream::connect_timeout(&full, Duration::from_secs(1)).ok();
        let clients: Vec<_> = std::iter::from_fn(connect).collect();
        let connected = connection(&[full, good], Duration::from_secs(4));
        drop(clients);
        let reached = connected.map(|(_, address)| address).expect("one answers");
        assert_eq!(reached, good);
    }

    #[test]
    fn only_a_wildcard_is_replaced_by_the_loopback() {
        for (address, reached) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("[2001:db8::1]:1", "[2001:db8::1]:1"),
        ] {
            let connectable = connectable(address.parse().expect("an address"));
            assert_eq!(connectable.to_string(), reached);
        }
    }

    #[test]
    fn a_connection_is_due_after_a_fifth_of_the_time_waited() {
        let listener = Listener::default();
        assert!(!listener.is_due(TRY_ANYWAY - 1) && listener.is_due(1000));
        listener.tried.store(8000, Ordering::Relaxed);
        assert!(!listener.is_due(8000) && !listener.is_due(9000) && listener.is_due(10_000));
    }

    fn context() -> Context {
        Context::new(Start {
            number: 0,
            place: command::Place::default(),
            command: "".into(),
            user: None,
            link: None,
            pid: None,
            stdout: None,
            stderr: None,
            captures: [false; 2],
            log: None,
            deadline: Deadline::after(Duration::from_secs(60)),
            captured: Mutex::default(),
            listeners: Mutex::default(),
        })
    }

    #[test]
    fn the_time_of_a_start_goes_on() {
        let cx = context();
        wait::until(|| now(&cx) > 1);
    }

    #[test]
    fn a_confirmed_address_is_the_one_that_answered() {
        let (cx, (_served, address)) = (context(), bound());
        let confirmed = Listener::any().confirm(address, &cx);
        confirmed.expect("any listener is right");
        assert_eq!(cx.answered(), Some("127.0.0.1".to_owned()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[cfg(any(feature = "http", feature = "services"))]
    fn a_glance_fails_as_long_as_no_process_listens() {
        let (cx, (served, address)) = (context(), bound());
        let listener = Listener::any();
        let seen = listener.look(&[address], &cx);
        assert!(matches!(seen, Ok(Seen::At(at)) if at == address));
        let not_due = || listener.tried.store(now(&cx), Ordering::Relaxed);
        not_due();
        listener.glance(&[address], &cx).expect("it listens");
        drop(served);
        // A fork of another thread may have a copy of the listener for a moment, and a busy machine may be too slow to
        // refuse a connection in time.
        let fails = || listener.glance(&[address], &cx).is_err();
        wait::until(|| {
            not_due();
            fails()
        });
        // As the last try lies in the future, a connection is due.
        wait::until(|| {
            listener.tried.store(u64::MAX, Ordering::Relaxed);
            fails()
        });
        assert_ne!(listener.tried.load(Ordering::Relaxed), u64::MAX);
    }

    /// A socket in a message that no process has received is open in no process, as one that a fork is about to close.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_no_process_has_time_to_end() {
        let (served, address) = bound();
        let (sender, receiver) = sys::Socket::pair().expect("a socket");
        sys::send(&sender, &[0], &[served.into()]).expect("room");
        let (answers, answer) = std::sync::mpsc::channel();
        let begun = Instant::now();
        std::thread::spawn(move || answers.send(is_served(&[address], &context())));
        let is_served = answer.recv_timeout(Duration::from_secs(30));
        assert!(is_served.expect("the time for its end is bounded"));
        assert!(begun.elapsed() >= FORK_TO_EXEC);
        drop(receiver);
    }
}
