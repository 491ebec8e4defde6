//! Readiness checks, which decide when a process is ready, and their combinations.

#[cfg(feature = "http")]
mod client;
mod combine;
mod config_error;
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
pub use config_error::ConfigError;
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

/// A readiness check. [`Executor::start`](crate::Executor::start) calls it until it returns `Ok`.
///
/// This module has the checks that most services need. If none of them fits, and a closure
/// ([`Executor::when`](crate::Executor::when)) is not enough, implement this trait. Mirakuru calls a check of your own on
/// a thread of its own, so a check that blocks cannot outlive the deadline of the start.
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
    /// Returns `true` if the condition holds before the process is spawned. The start then fails with `AlreadyRunning`
    /// and spawns nothing. By default, returns `false`.
    fn pre_start_check(&self, cx: &Context) -> bool {
        let _ = cx;
        false
    }

    /// Returns `Ok` if the process is ready, or else the reason why it is not.
    ///
    /// # Errors
    ///
    /// Returns [`NotReady`] with the reason. If the start times out, its error shows the last one as `last check`.
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady>;

    /// Fails as [`after_start_check`](Self::after_start_check) would, if a look that costs little shows it. The
    /// caller's thread makes this look before another thread runs the check, as the other thread costs more than most
    /// looks.
    #[doc(hidden)]
    fn glance(&self, cx: &Context) -> Result<(), NotReady> {
        let _ = cx;
        Ok(())
    }

    /// Returns what the check waits for, in words that follow "waited for": `127.0.0.1:80 to accept a connection`.
    /// Errors and logs show it.
    fn describe(&self, cx: &Context) -> String {
        let _ = cx;
        "its own readiness check".to_owned()
    }

    /// Checks the configuration before anything is spawned.
    ///
    /// # Errors
    ///
    /// Returns the mistake. [`start`](crate::Executor::start) then fails with `InvalidConfig`.
    fn validate(&self, cx: &Context) -> Result<(), ConfigError> {
        let _ = cx;
        Ok(())
    }

    /// Returns the place that the check looks at. The executor's [`port()`](crate::Executor::port) and the similar
    /// methods, and the placeholders, use it.
    fn target(&self) -> Target {
        Target::default()
    }

    /// Returns hints on how a wait should poll the check.
    fn manner(&self, cx: &Context) -> Manner {
        let _ = cx;
        Manner::default()
    }

    /// Returns which processes can make the check pass now, so that a start fails once none of them is left. By
    /// default, a process outside the tree can too, so the start waits until its timeout.
    fn origin(&self, cx: &Context) -> Origin {
        let _ = cx;
        Origin::Outside
    }

    /// Returns whether only a process that this executor started can make the check pass. Such a check cannot be
    /// combined with [`OnConflict::Reuse`](crate::OnConflict), which uses a service that runs already.
    fn needs_own_process(&self) -> bool {
        false
    }

    /// Creates a check that passes if both pass. Each attempt runs this check first, and then the other.
    ///
    /// ```
    /// use mirakuru::readiness::{Output, PidFile, Readiness};
    /// use mirakuru::Executor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "echo $$ > {pidfile}; echo ready; exec sleep 60";
    /// let check = PidFile::new("{pidfile}").and(Output::new("^ready$"));
    /// let service = Executor::with_readiness(command, check).shell(true).started()?;
    /// assert!(service.filename().exists());
    /// # Ok(())
    /// # }
    /// ```
    fn and<B: Readiness>(self, other: B) -> And<Self, B>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// Creates a check that passes if one of the two passes.
    ///
    /// ```
    /// use mirakuru::readiness::{Output, Readiness};
    /// use mirakuru::Executor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Output::new("^listening$").or(Output::new("^ready$"));
    /// let service = Executor::with_readiness("echo ready; exec sleep 60", check).shell(true).started()?;
    /// # Ok(())
    /// # }
    /// ```
    fn or<B: Readiness>(self, other: B) -> Or<Self, B>
    where
        Self: Sized,
    {
        Or(self, other)
    }

    /// Creates a check that passes once this check has passed and, after that, the other passes.
    ///
    /// ```
    /// use mirakuru::readiness::{Output, Readiness};
    /// use mirakuru::Executor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Output::new("^loaded$").then(Output::new("^ready$"));
    /// let command = "echo loaded; echo ready; exec sleep 60";
    /// let service = Executor::with_readiness(command, check).shell(true).started()?;
    /// # Ok(())
    /// # }
    /// ```
    fn then<B: Readiness>(self, other: B) -> Then<Self, B>
    where
        Self: Sized,
    {
        Then::new(self, other)
    }
}
