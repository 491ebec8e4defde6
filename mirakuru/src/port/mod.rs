//! Leases on TCP ports, so that tests that run at once do not fight over them.
//!
//! A lease is a lock on a file (`fcntl(2)`, `F_SETLK`) in a directory of the user's own. The
//! supervisor takes and holds it, so that it lasts as long as the tree, also where the test process is
//! killed; and it is the supervisor's alone, as a forked child inherits no such lock. The file says
//! who holds it. It is removed with the lease, and the directory with the last one; what a killed
//! supervisor leaves, the next supervisor of the port takes over, or the next test process removes.

mod claims;
mod lease;
mod pick;
mod queue;

pub(crate) use claims::PortClaim;
pub(crate) use lease::{Lease, Taken, holder, leased, remove_leftovers};
pub(crate) use pick::pick;
pub(crate) use queue::{Circle, Ticket};

/// What a start does where somebody holds its fixed port already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// Gives `AlreadyRunning` at once. The default, but for the attribute and for shared fixtures, which
    /// wait.
    #[default]
    Fail,
    /// Queues until the other executor, of whatever test process, has given the port back. The
    /// start's timeout begins after that; the queue has a bound of its own, ten minutes or as many
    /// seconds as the environment variable `MIRAKURU_QUEUE_TIMEOUT` says. What is no executor is not
    /// waited for: `AlreadyRunning`, as is a wait that could never end: for a port of this thread's own,
    /// of a shared fixture, or of one that waits for a port of ours, a higher one than we ask for.
    Wait,
    /// Uses the service that already answers there, and never stops it. The start waits until that service passes
    /// the readiness check, whatever process it is. If nothing answers, or if it goes away meanwhile, the
    /// executor starts its own, and stops it again. A check that needs a process of the executor's own, such as a
    /// banner, is `InvalidConfig`.
    Reuse,
}
