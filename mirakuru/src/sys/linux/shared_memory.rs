//! Removes System V shared memory, whose segments outlive their processes: `/proc/sysvipc/shm` (`proc_sysvipc(5)`).
#![expect(unsafe_code, reason = "nix has no `shmctl`")]
#![expect(
    clippy::disallowed_types,
    reason = "the kernel records wall-clock times"
)]

use std::fs;
use std::time::{Duration, SystemTime};

use nix::libc;

use crate::sys::Pid;

/// The precision of the times that the kernel records, with room for a clock that was set.
const MARGIN: Duration = Duration::from_secs(60);

/// Returns the time of the clock that the kernel uses for segments.
pub(crate) fn wall_clock() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}

/// Removes the segments that these processes made and that no process uses. Each process comes with the time of its
/// end; none began before `since`. Returns whether a process still uses a segment.
pub(crate) fn remove_shared_memory(makers: &[(Pid, Duration)], since: Duration) -> bool {
    if makers.is_empty() {
        return false;
    }
    let mut is_used = false;
    let since = since.saturating_sub(MARGIN).as_secs();
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    for segment in table.lines().filter_map(Segment::read) {
        // After that time, another process may have the number.
        let is_of = |(maker, ended): &(Pid, Duration)| {
            let until = (*ended + MARGIN).as_secs();
            maker.as_raw() == segment.maker && (since..=until).contains(&segment.changed)
        };
        if !makers.iter().any(is_of) {
            continue;
        }
        is_used |= segment.users > 0;
        if segment.users == 0 {
            // SAFETY: `shmctl` with `IPC_RMID` reads its numbers alone.
            unsafe { libc::shmctl(segment.id, libc::IPC_RMID, std::ptr::null_mut()) };
        }
    }
    is_used
}

struct Segment {
    id: i32,
    maker: i32,
    users: u64,
    changed: u64,
}

impl Segment {
    /// Parses a line of the table. Returns `None` for the heading.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        Some(Self {
            id: fields.nth(1)?.parse().ok()?,
            maker: fields.nth(2)?.parse().ok()?,
            users: fields.nth(1)?.parse().ok()?,
            changed: fields.nth(6)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_by_its_columns() {
        let line = "677413 1146881 600 56 15985 15990 3 101 104 101 104 1 2 1795701664 4096 0";
        let segment = Segment::read(line).expect("a line of the table");
        let Segment {
            id,
            maker,
            users,
            changed,
        } = segment;
        assert_eq!(
            (id, maker, users, changed),
            (1_146_881, 15985, 3, 1_795_701_664)
        );
        assert!(Segment::read("key shmid perms size cpid lpid nattch").is_none());
    }

    fn exists(id: i32) -> bool {
        let table = fs::read_to_string("/proc/sysvipc/shm").expect("procfs");
        let mut segments = table.lines().filter_map(Segment::read);
        segments.any(|segment| segment.id == id)
    }

    fn segment() -> i32 {
        // SAFETY: `shmget` reads its numbers alone.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, 0o600) };
        assert!(exists(id));
        id
    }

    #[test]
    fn only_the_unused_segments_of_the_makers_are_removed() {
        let now = wall_clock();
        let own = [(Pid::this(), now)];
        let unused = segment();
        let other_process = [(Pid::from_raw(i32::MAX), now)];
        assert!(!remove_shared_memory(&other_process, now));
        assert!(!remove_shared_memory(&own, now + 3 * MARGIN));
        let ended_before = [(Pid::this(), now.saturating_sub(3 * MARGIN))];
        assert!(!remove_shared_memory(&ended_before, Duration::ZERO));
        assert!(exists(unused));
        assert!(!remove_shared_memory(&own, now), "no process uses it");
        assert!(!exists(unused));

        let used = segment();
        // SAFETY: the kernel chooses free addresses, which no code uses.
        let memory = unsafe { libc::shmat(used, std::ptr::null(), 0) };
        assert!(remove_shared_memory(&own, now) && exists(used));
        // SAFETY: `shmat` returned the address.
        unsafe { libc::shmdt(memory) };
        // SAFETY: `shmctl` with `IPC_RMID` reads its numbers alone.
        unsafe { libc::shmctl(used, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
