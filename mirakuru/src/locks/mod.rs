//! Provides the locks: file locks between processes, locks between the threads of one process, and mutexes that are
//! safe in a forked child.
//!
//! The kernel releases a file lock when its process dies. [`directory`] makes the directory of the lock files, which
//! belongs to one user alone. This module depends on no port, run or executor.
//!
//! # All locks, in the order in which they are taken
//!
//! A thread that holds a lock takes only locks of lower lines. It may leave out any line.
//!
//! | lock | kind | held | by |
//! |---|---|---|---|
//! | leases of an annotated test, `port-N` | file (`fcntl`) | from before the first start to the last stop | the supervisor of each executor, in ascending order of N |
//! | `making` (`shared/sharing.rs`) | [`ThreadLock`] | while the fixture's closure runs | the thread that makes a shared fixture; the closure may use other executors |
//! | `in_use` (`shared/sharing.rs`) | [`ThreadLock`] | for a test | the thread that uses a shared fixture exclusively; several are taken in the order of `rank` |
//! | `starting` (`shared/sharing.rs`) | [`ThreadLock`] | while the missing ones of several executors start | the thread that starts them |
//! | `NAME.lock` of several executors (`run/place.rs`) | [`FileLock`] | while the missing ones of several executors start | the process that starts them |
//! | `NAME.use` (`run/place.rs`) | [`FileLock`] | for a test | the process of the run whose test uses the fixture exclusively |
//! | `outage` (`executor/core.rs`) | [`ThreadLock`] | for an outage, or a start for tests that share it | the thread that has the service stopped |
//! | `turn` (`executor/core.rs`) | mutex | for a whole start or stop | the thread that starts or stops the service |
//! | `NAME.lock` (`run/place.rs`) | [`FileLock`] | for a start or a stop, and in `kept_lock` (`executor/state.rs`) for an outage | the process that starts or stops a service of the run |
//! | `NAME.lock` of the cache (`services/cache.rs`) | [`FileLock`] | for a copy, together with others; alone while an entry is made | the process that starts a ready-made service; a program that makes an entry runs under it, as an executor of its own |
//! | lease `port-N` (`port/lease.rs`) | file (`fcntl`) | from the claim to the end of the tree | the supervisor of the executor; a wait for it is a queue |
//! | `queue-PID-N` (`port/queue.rs`) | [`FileLock`] | in that queue | a process that queues while it has other ports |
//! | `state` (`executor/core.rs`) | mutex | for a moment | any thread; no call of a link, a check or an event happens under it |
//! | `ENTRIES` (`port/claims.rs`) | mutex | for a moment | any thread that claims a port or looks up its holder |
//! | the locks of a link, and `LIVE` (`link/`) | mutexes | for a frame, a read or a moment | any thread that sends a request or reads a state |
//! | `WRITTEN` (`executor/namesake.rs`) | mutex | for a moment | the thread that starts a shared fixture when the run is not known |
//! | groups of a banner, the scan of a banner, the place of an output | mutexes | for a moment, or a look | the thread that checks or reads |
//! | `slot-N` (`shared/slot_number.rs`) | [`FileLock`] | for the life of a thread | the thread that asked for a slot; no thread waits for it |
//!
//! An annotated test takes its leases before the locks on fixtures, and a fixture that starts takes its
//! lease after them. This could make a wait endless; `port/claims.rs` and `port/queue.rs` find such a wait.

pub(crate) mod directory;
mod file;
mod fork;
mod thread;

pub(crate) use directory::{existing_lock_directory, lock_directory};
pub(crate) use file::FileLock;
pub(crate) use fork::{Owner, get_or_make, lock_unless_lost};
pub(crate) use thread::{Refusal, ThreadLock, TurnGuard};
