//! Decides when a process is ready: checks as values, and how they combine.

#[cfg(feature = "http")]
mod client;
mod combine;
mod context;
mod endpoint;
mod exec;
mod final_match;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_status;
mod listener;
mod manner;
mod not_ready;
#[cfg(unix)]
mod notify;
mod origin;
mod output;
mod pid_file;
mod pointer;
pub(crate) mod probe;
#[cfg(feature = "services")]
pub(crate) mod protocols;
mod spawned;
mod tcp;
#[cfg(feature = "https")]
mod tls;
#[cfg(unix)]
mod unix_socket;
#[cfg(feature = "http")]
mod url;
mod when;

pub use combine::{And, Or, Then};
pub use context::Context;
pub(crate) use context::Start;
pub use exec::Exec;
#[cfg(feature = "http")]
pub use http::Http;
#[cfg(feature = "http")]
pub use http_status::StatusPattern;
pub use manner::{Manner, Target};
pub use not_ready::NotReady;
#[cfg(unix)]
pub use notify::Notify;
pub use origin::Origin;
pub use output::{Output, Stream};
pub use pid_file::PidFile;
#[cfg(feature = "services")]
pub use protocols::{Amqp, Etcd, Memcached, Mqtt, Mysql, Nats, Postgres, Redis, WebDriver};
pub use spawned::Spawned;
pub use tcp::Tcp;
pub(crate) use tcp::join as tcp_address;
#[cfg(unix)]
pub use unix_socket::UnixSocket;
pub use when::When;

/// A readiness check: what [`Executor::start`](crate::Executor::start) asks until it says yes.
///
/// The checks of this module are values of it; write your own where none of them fits and a closure
/// ([`Executor::when`](crate::Executor::when)) is not enough. A check of your own is asked on a
/// thread apart, so that it cannot outlive the start's deadline even if it blocks.
///
/// ```
/// use mirakuru::readiness::{Context, NotReady, Readiness};
/// use mirakuru::Executor;
///
/// /// Ready once the service has written its whole state.
/// struct StateWritten;
///
/// impl Readiness for StateWritten {
///     fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
///         match std::fs::read_to_string(cx.tmpdir().join("state")) {
///             Ok(state) if state.ends_with("complete\n") => Ok(()),
///             Ok(_) => Err(NotReady::new("the state is not complete")),
///             Err(error) => Err(NotReady::new(error.to_string())),
///         }
///     }
/// }
///
/// # fn main() -> mirakuru::Result<()> {
/// let service = "echo complete > {tmpdir}/state; exec sleep 60";
/// let service = Executor::with_readiness(service, StateWritten).shell(true).started()?;
/// # Ok(())
/// # }
/// ```
pub trait Readiness: Send + Sync + 'static {
    /// Whether what would show that it is ready is there before the start: then the process is not
    /// started, and the error is `AlreadyRunning`.
    fn pre_start_check(&self, cx: &Context) -> bool {
        let _ = cx;
        false
    }

    /// Whether the process is ready, or how the check failed.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says why it is not; the last one stands in the error at the timeout.
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady>;

    /// Fails, as [`after_start_check`](Self::after_start_check) would, where that is known at once and at little
    /// cost. It is called on the caller's thread before a check that is asked on another thread: to ask there costs
    /// more than most looks.
    #[doc(hidden)]
    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let _ = cx;
        Ok(())
    }

    /// What is waited for, for errors and logs: fits behind "waited for".
    fn describe(&self, cx: &Context) -> String {
        let _ = cx;
        "its own readiness check".to_owned()
    }

    /// Looks for mistakes before anything is spawned.
    ///
    /// # Errors
    ///
    /// What is wrong; [`start`](crate::Executor::start) then fails with `InvalidConfig`.
    fn validate(&self, cx: &Context) -> Result<(), String> {
        let _ = cx;
        Ok(())
    }

    /// Where the check looks, so that the executor's [`port()`](crate::Executor::port) and its
    /// like, and the placeholders, know it too.
    fn target(&self) -> Target {
        Target::default()
    }

    /// How the check is best asked.
    fn manner(&self, cx: &Context) -> Manner {
        let _ = cx;
        Manner::default()
    }

    /// Returns which processes can make the check pass now, so that a start fails once none of them is left. By
    /// default, any process outside the tree can, and the start waits until its timeout.
    fn origin(&self, cx: &Context) -> Origin {
        let _ = cx;
        Origin::Outside
    }

    /// Returns whether only a process that this executor started can make the check pass. Such a check cannot be
    /// combined with [`OnConflict::Reuse`](crate::OnConflict), which uses a service that runs already.
    fn needs_own_process(&self) -> bool {
        false
    }

    /// A check that is ready when both are, asked in this order every time.
    fn and<B: Readiness>(self, other: B) -> And<Self, B>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// A check that is ready when one of them is.
    fn or<B: Readiness>(self, other: B) -> Or<Self, B>
    where
        Self: Sized,
    {
        Or(self, other)
    }

    /// A check that is ready when this was ready once and then the other is.
    fn then<B: Readiness>(self, other: B) -> Then<Self, B>
    where
        Self: Sized,
    {
        Then::new(self, other)
    }
}
