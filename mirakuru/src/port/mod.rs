//! Provides leases on TCP ports, so that tests that run at the same time do not use the same port.
//!
//! A lease is a lock on a file (`fcntl(2)`, `F_SETLK`) in a directory that belongs to the user. The supervisor takes
//! and holds it. So the lease lasts as long as the process tree, even if the test process is killed. A forked child
//! does not inherit such a lock, so the supervisor alone holds it.
//!
//! The file names the holder. The file is removed with the lease, and the directory with the last lease. If a
//! supervisor is killed, its file stays until the next supervisor of the port takes it over or the next test process
//! removes it.

mod claims;
mod lease;
mod pick;
mod queue;

pub(crate) use claims::PortClaim;
pub(crate) use lease::{Lease, Taken, holder, leased, remove_leftovers};
pub(crate) use pick::pick;
pub(crate) use queue::Ticket;

/// The behaviour of a start if another executor or process already holds its fixed port.
///
/// ```no_run
/// use mirakuru::{OnConflict, TcpExecutor};
///
/// # fn main() -> mirakuru::Result<()> {
/// let redis = TcpExecutor::new("redis-server --port {port}", "127.0.0.1", 6379)
///     .on_conflict(OnConflict::Wait)
///     .started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// Fails with `AlreadyRunning` at once. This is the default, except for the attribute and for shared fixtures,
    /// whose default is `Wait`.
    #[default]
    Fail,
    /// Queues until the other executor, in any test process, has released the port.
    ///
    /// The start's timeout begins after the queue. The queue itself ends after ten minutes, or after the number of
    /// seconds in the environment variable `MIRAKURU_QUEUE_TIMEOUT`.
    ///
    /// The start does not wait for a process that is not an executor: it fails with `AlreadyRunning`. It also fails
    /// with `AlreadyRunning` if the wait could never end. This is the case if this thread or a shared fixture of this
    /// process holds the port. It is also the case if the holder waits for a port that this thread holds, and that port
    /// is higher than the requested one.
    Wait,
    /// Uses the service that already answers on the port, and never stops it.
    ///
    /// The start waits until that service passes the readiness check, whichever process it is. If nothing answers, or
    /// if the service goes away meanwhile, the executor starts its own service, and stops that one later. A readiness
    /// check that needs a process of the executor's own, such as a banner, is `InvalidConfig`.
    Reuse,
}
