//! A free port: outside the range that the kernel gives to outgoing connections, leased, and then
//! bound to on a socket that never listens, so nothing ever answers on it by accident.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use super::lease::{Lease, Taken};
use crate::sys;

/// Below are the ports that services are known by.
const LOWEST: u16 = 10_000;
/// How often another one is tried.
const TRIES: u64 = 2_000;

/// Leases a port that nobody is bound to, on either address family.
pub(crate) fn pick(directory: &Path, holder: &str) -> io::Result<Lease> {
    one_of(&candidates(&sys::ephemeral_ports()), directory, holder)
}

fn one_of(candidates: &[u16], directory: &Path, holder: &str) -> io::Result<Lease> {
    let random = RandomState::new();
    for attempt in 0..TRIES {
        let index = random.hash_one(attempt) % candidates.len() as u64;
        let port = candidates[usize::try_from(index).unwrap_or_default()];
        // Leased first, so that two who pick at once do not see each other's bind.
        match Lease::take(directory, port, holder)? {
            Taken::Here(lease) if sys::is_free(port) => return Ok(lease),
            _ => {}
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("{TRIES} ports were tried, and all are taken"),
    ))
}

/// The ports that the kernel gives to nobody; where it keeps all of them, those that are left above
/// the known ones.
fn candidates(ephemeral: &RangeInclusive<u16>) -> Vec<u16> {
    let all: Vec<_> = (LOWEST..=u16::MAX).collect();
    let is_left = |port: &u16| !ephemeral.contains(port);
    let outside: Vec<_> = all.iter().copied().filter(is_left).collect();
    if outside.is_empty() { all } else { outside }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::loopback;

    #[test]
    fn a_picked_port_can_be_bound_and_is_nobody_elses() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lease = pick(directory.path(), "a test").expect("a free port");
        assert!(!sys::ephemeral_ports().contains(&lease.port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port)).expect("nobody took it");
        let file = directory.path().join(format!("port-{}", lease.port));
        assert_eq!(std::fs::read_to_string(&file).expect("the lease"), "a test");
        drop(lease);
        assert!(!file.exists());
    }

    #[test]
    fn a_port_that_another_process_has_leased_is_not_picked() {
        let leased = crate::SimpleExecutor::new("x {port}");
        let mut two = [leased.port(), crate::SimpleExecutor::new("y {port}").port()];
        two.sort_unstable();
        let directory = crate::locks::lock_directory().expect("it is there");
        for _ in 0..20 {
            let lease = one_of(&two, &directory, "a test").expect("one is free");
            assert_ne!(lease.port, leased.port());
        }
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
    fn the_kernels_own_range_is_left_to_it() {
        assert!(!candidates(&(32_768..=60_999)).contains(&40_000));
        assert!(candidates(&(32_768..=60_999)).contains(&61_000));
        assert_eq!(candidates(&(1..=u16::MAX)).first(), Some(&LOWEST));
    }
}
