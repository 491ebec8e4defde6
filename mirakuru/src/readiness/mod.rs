//! When a process is ready: checks as values, and how they combine. No processes here.

mod combine;
mod context;
#[cfg(feature = "http")]
mod http;
mod output;
mod pid_file;
pub(crate) mod probe;
#[cfg(feature = "http")]
mod status;
mod tcp;
mod unix_socket;

use std::fmt;
use std::path::PathBuf;

pub use combine::{And, Or, Then};
pub use context::Context;
pub(crate) use context::Situation;
#[cfg(feature = "http")]
pub use http::Http;
pub use output::{Output, Stream};
pub use pid_file::PidFile;
#[cfg(feature = "http")]
pub use status::StatusPattern;
pub use tcp::Tcp;
pub(crate) use tcp::join as tcp_address;
pub use unix_socket::UnixSocket;

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
    /// Whether something is there already, before the process is started; then it is not.
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

/// Where a check looks; every part as it was written, placeholders and all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The host; `127.0.0.1` where there is none.
    pub host: Option<String>,
    /// The port; 0 for one that is free.
    pub port: Option<u16>,
    /// The URL.
    pub url: Option<String>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// The file that appears.
    pub filename: Option<PathBuf>,
}

impl Target {
    /// This, and where a part is missing the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            url: self.url.or(other.url),
            socket: self.socket.or(other.socket),
            filename: self.filename.or(other.filename),
        }
    }
}

/// How a check is best asked, beyond "again a little later".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manner {
    /// It never blocks for longer than [`Context::remaining`], so it is asked on the caller's
    /// thread.
    pub keeps_time: bool,
    /// What the process prints may make it ready.
    pub on_output: bool,
    /// A change beside this path may make it ready.
    pub on_path: Option<PathBuf>,
}

impl Default for Manner {
    /// For a check that nothing is known of.
    fn default() -> Self {
        Self {
            keeps_time: false,
            on_output: true,
            on_path: None,
        }
    }
}

impl Manner {
    /// For a check that keeps time and that only time makes true.
    #[must_use]
    pub fn punctual() -> Self {
        Self {
            keeps_time: true,
            on_output: false,
            on_path: None,
        }
    }

    /// For a check that is made of two.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            keeps_time: self.keeps_time && other.keeps_time,
            on_output: self.on_output || other.on_output,
            on_path: self.on_path.or(other.on_path),
        }
    }
}

/// How a check failed.
#[derive(Clone, PartialEq, Eq)]
pub struct NotReady {
    reason: String,
    /// Who has the place that the process was to have: it never will be ready there.
    taken_by: Option<String>,
}

impl NotReady {
    /// With the reason, in a few words: "connection refused".
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            taken_by: None,
        }
    }

    /// Somebody else answers where the process was to.
    pub(crate) fn taken_by(holder: String) -> Self {
        Self {
            reason: "somebody else answers there".to_owned(),
            taken_by: Some(holder),
        }
    }

    pub(crate) fn into_holder(self) -> Result<String, Self> {
        self.taken_by.clone().ok_or(self)
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotReady({:?})", self.reason)
    }
}

impl std::error::Error for NotReady {}

impl From<std::io::Error> for NotReady {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// A pointer to a check is that check.
macro_rules! forward {
    ($(#[$doc:meta])* impl $([$($generics:tt)*])? for $pointer:ty) => {
        $(#[$doc])*
        impl $(<$($generics)*>)? Readiness for $pointer {
            fn pre_start_check(&self, cx: &Context) -> bool {
                (**self).pre_start_check(cx)
            }

            fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
                (**self).after_start_check(cx)
            }

            fn describe(&self, cx: &Context) -> String {
                (**self).describe(cx)
            }

            fn validate(&self, cx: &Context) -> Result<(), String> {
                (**self).validate(cx)
            }

            fn target(&self) -> Target {
                (**self).target()
            }

            fn manner(&self, cx: &Context) -> Manner {
                (**self).manner(cx)
            }
        }
    };
}

forward! {
    /// A check of any kind, as [`AnyExecutor`](crate::AnyExecutor) holds it.
    impl for Box<dyn Readiness>
}
forward! {
    /// A check that is shared.
    impl [R: Readiness + ?Sized] for std::sync::Arc<R>
}

/// Ready as soon as it is spawned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spawned;

impl Readiness for Spawned {
    fn after_start_check(&self, _cx: &Context) -> Result<(), NotReady> {
        Ok(())
    }

    fn describe(&self, _cx: &Context) -> String {
        "nothing but its start".to_owned()
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner::punctual()
    }
}

/// Ready when a closure says so; made by [`Executor::when`](crate::Executor::when).
#[derive(Clone)]
pub struct When<F>(pub(crate) F);

impl<F> fmt::Debug for When<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When(closure)")
    }
}

impl<F: Fn(&Context) -> bool + Send + Sync + 'static> Readiness for When<F> {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        if (self.0)(cx) {
            Ok(())
        } else {
            Err(NotReady::new("the closure returned false"))
        }
    }

    fn describe(&self, _cx: &Context) -> String {
        "the closure to return true".to_owned()
    }
}
