//! Picks a free port outside the range that the kernel uses for outgoing connections.
//!
//! The port is leased, and then bound on a socket that never listens, so that nothing answers on it by accident.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use super::lease::{Lease, Taken};
use crate::sys;

/// The lowest port that is picked. Lower ports are those of well-known services.
const LOWEST: u16 = 10_000;
/// The highest port that is preferred. Some servers open a second port 10000 above the first, such as the bus of a
/// Redis cluster.
const HIGHEST: u16 = 55_535;
/// The ports of well-known servers in this range. A developer may start one of them at any time.
const WELL_KNOWN: [u16; 21] = [
    10_000, 10_050, 10_051, 10_250, 11_211, 11_434, 15_672, 16_686, 19_999, 24_224, 25_672, 26_257,
    26_379, 27_017, 27_018, 27_019, 28_015, 32_400, 33_060, 50_000, 50_051,
];
/// The number of ports that are tried.
const TRIES: u64 = 2_000;

/// Leases a port that no process has bound, on either address family.
///
/// The port is not among the `held` ones, as a lock does not keep out the process that holds it.
pub(crate) fn pick(directory: &Path, held: &[Lease], holder: &str) -> io::Result<Lease> {
    for candidates in candidates(&sys::ephemeral_ports()) {
        if let Some(lease) = one_of(&candidates, TRIES, directory, held, holder)? {
            return Ok(lease);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("all of the {TRIES} ports that were tried are taken"),
    ))
}

fn one_of(
    candidates: &[u16],
    tries: u64,
    directory: &Path,
    held: &[Lease],
    holder: &str,
) -> io::Result<Option<Lease>> {
    let random = RandomState::new();
    let tries = if candidates.is_empty() { 0 } else { tries };
    for attempt in 0..tries {
        let index = random.hash_one(attempt) % candidates.len() as u64;
        let port = candidates[usize::try_from(index).unwrap_or_default()];
        if held.iter().any(|lease| lease.port == port) {
            continue;
        }
        // The lease comes first, so that two processes that pick at the same time do not see each other's bind.
        match Lease::take(directory, port, holder)? {
            Taken::Acquired(lease) if sys::is_free(port) => return Ok(Some(lease)),
            _ => {}
        }
    }
    Ok(None)
}

/// Returns the ports outside the kernel's range for connections, without those of well-known servers.
///
/// The first list has the ports that have room for a second port above them. The last list has the ports inside the
/// kernel's range, in case the range covers all ports.
fn candidates(ephemeral: &RangeInclusive<u16>) -> [Vec<u16>; 3] {
    let unknown = (LOWEST..=u16::MAX).filter(|port| !WELL_KNOWN.contains(port));
    let (kept, outside): (Vec<_>, Vec<_>) = unknown.partition(|port| ephemeral.contains(port));
    let (low, high) = outside.into_iter().partition(|port| *port <= HIGHEST);
    [low, high, kept]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::loopback;

    #[test]
    fn a_picked_port_can_be_bound_and_is_leased_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lease = pick(directory.path(), &[], "a test").expect("a free port");
        assert!(!sys::ephemeral_ports().contains(&lease.port));
        assert!((LOWEST..=HIGHEST).contains(&lease.port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port)).expect("no process took it");
        let file = directory.path().join(format!("port-{}", lease.port));
        let text = std::fs::read_to_string(&file).expect("the lease");
        assert!(text.ends_with("a test"), "{text}");
        drop(lease);
        assert!(!file.exists());
    }

    #[test]
    fn a_port_that_this_process_has_leased_is_not_picked() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let own = pick(directory.path(), &[], "a test").expect("a free port");
        let (only, held) = ([own.port], [own]);
        let picked = one_of(&only, 3, directory.path(), &held, "a test");
        assert!(picked.expect("it can be asked").is_none());
    }

    #[test]
    fn a_port_that_another_process_has_leased_is_not_picked() {
        let leased = crate::SimpleExecutor::new("x {port}");
        let mut two = [leased.port(), crate::SimpleExecutor::new("y {port}").port()];
        two.sort_unstable();
        let directory = crate::locks::lock_directory().expect("it is there");
        for _ in 0..20 {
            let lease = one_of(&two, TRIES, &directory, &[], "a test");
            let lease = lease.expect("it can be leased").expect("one is free");
            assert_ne!(lease.port, leased.port());
        }
    }

    #[test]
    fn a_port_that_another_process_has_bound_is_not_picked() {
        let listener = loopback::listener("127.0.0.1:0").expect("IPv4");
        let port = listener.local_addr().expect("bound").port();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let picked = one_of(&[port], 3, directory.path(), &[], "a test");
        let picked = picked.expect("it can be leased");
        assert!(picked.is_none(), "{picked:?}");
    }

    #[test]
    fn a_port_that_is_bound_on_one_family_is_not_free() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some(listener) = loopback::listener(address) else {
                continue;
            };
            let port = listener.local_addr().expect("bound").port();
            assert!(!sys::is_free(port), "{address}");
        }
    }

    #[test]
    fn low_ports_outside_the_kernels_range_come_first() {
        let [low, high, kept] = candidates(&(32_768..=60_999));
        assert_eq!((low.first(), low.last()), (Some(&10_001), Some(&32_767)));
        assert_eq!((high.first(), high.last()), (Some(&61_000), Some(&65_535)));
        assert!(kept.contains(&40_000));
        for known in [11_211, 15_672, 27_017] {
            assert!(!low.contains(&known), "{known}");
        }
        let [low, high, kept] = candidates(&(1..=u16::MAX));
        assert_eq!((low.len(), high.len()), (0, 0));
        assert!(kept.contains(&40_000));
        let [low, high, _] = candidates(&(20_000..=30_000));
        assert_eq!((low.last(), high.first()), (Some(&55_535), Some(&55_536)));
    }
}
