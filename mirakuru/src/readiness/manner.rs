//! The facts that a check reports about itself: the place that it looks at, and how a wait should poll it.

use std::path::PathBuf;

#[cfg(doc)]
use super::{Context, Readiness};

/// The place that a check looks at. Each part is as the user wrote it, with its placeholders.
///
/// A check returns it from [`Readiness::target`], so that `port()`, `url()` and the similar methods of the executor, and
/// the placeholders, know the place too.
///
/// ```
/// use mirakuru::readiness::{Context, NotReady, Readiness, Target};
/// use mirakuru::Executor;
///
/// struct Answers;
///
/// impl Readiness for Answers {
///     fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
///         std::net::TcpStream::connect((cx.host(), cx.port()))?;
///         Ok(())
///     }
///
///     fn target(&self) -> Target {
///         Target::port(0) // The executor leases a free port.
///     }
/// }
///
/// assert_ne!(Executor::with_readiness("server", Answers).port(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The host. Without one, the host is `127.0.0.1`.
    pub host: Option<String>,
    /// The port. 0 requests a free port.
    pub port: Option<u16>,
    /// The name of the port, if the port is a named one: `monitor` for `{port:monitor}`.
    pub port_name: Option<String>,
    /// Whether the service reports its port itself, in a group `port` of its banner.
    pub reports_port: bool,
    /// The URL.
    pub url: Option<String>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// The file that appears.
    pub filename: Option<PathBuf>,
    /// Whether the service reports to the socket that `NOTIFY_SOCKET` names.
    pub notifies: bool,
    /// Other texts that contain placeholders.
    pub texts: Vec<String>,
}

impl Target {
    /// Creates the target of a check that asks a TCP port of `127.0.0.1`. Port 0 requests a free port.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// assert_eq!(Target::port(5432).port, Some(5432));
    /// ```
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self {
            port: Some(port),
            ..Self::default()
        }
    }

    /// Creates the target of a check that asks a TCP port of this host. Port 0 requests a free port.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// assert_eq!(Target::addr("localhost", 0).host.as_deref(), Some("localhost"));
    /// ```
    #[must_use]
    pub fn addr(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: Some(host.into()),
            ..Self::port(port)
        }
    }

    /// Creates the target of a check that requests this URL. It sets the URL alone; add the host and the port if the
    /// executor should know them.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// let target = Target::url("http://{host}:{port}/health");
    /// assert_eq!(target.url.as_deref(), Some("http://{host}:{port}/health"));
    /// ```
    #[must_use]
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: Some(url.into()),
            ..Self::default()
        }
    }

    /// Creates the target of a check that connects to this Unix socket.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// assert!(Target::socket("{socket}").socket.is_some());
    /// ```
    #[must_use]
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Self {
            socket: Some(path.into()),
            ..Self::default()
        }
    }

    /// Creates the target of a check that waits for this file.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// assert!(Target::file("{tmpdir}/ready").filename.is_some());
    /// ```
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            filename: Some(path.into()),
            ..Self::default()
        }
    }

    /// Returns this target, with each part that it lacks taken from the other.
    ///
    /// ```
    /// use mirakuru::readiness::Target;
    ///
    /// let both = Target::port(80).or(Target::url("http://{host}:{port}/"));
    /// assert_eq!((both.port, both.url.is_some()), (Some(80), true));
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // One of the two checks gives the port.
        let (port, port_name) = if self.port.is_some() || self.port_name.is_some() {
            (self.port, self.port_name)
        } else {
            (other.port, other.port_name)
        };
        Self {
            host: self.host.or(other.host),
            port,
            port_name,
            reports_port: self.reports_port || other.reports_port,
            url: self.url.or(other.url),
            socket: self.socket.or(other.socket),
            filename: self.filename.or(other.filename),
            notifies: self.notifies || other.notifies,
            texts: [self.texts, other.texts].concat(),
        }
    }
}

/// Hints on how a wait should poll a check. A check returns them from [`Readiness::manner`].
///
/// By default, a check may block, so it runs on a thread of its own. A line that the process prints triggers it too.
///
/// ```
/// use mirakuru::readiness::{Context, Manner, NotReady, Readiness};
/// use mirakuru::Executor;
///
/// struct FileExists;
///
/// impl Readiness for FileExists {
///     fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
///         match cx.tmpdir().join("ready").exists() {
///             true => Ok(()),
///             false => Err(NotReady::new("the file does not exist")),
///         }
///     }
///
///     // The check takes no time, and a change in the directory triggers it.
///     fn manner(&self, cx: &Context) -> Manner {
///         Manner::non_blocking().woken_by_path(cx.tmpdir().join("ready"))
///     }
/// }
///
/// # fn main() -> mirakuru::Result<()> {
/// let command = "touch {tmpdir}/ready; exec sleep 60";
/// let service = Executor::with_readiness(command, FileExists).shell(true).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manner {
    /// Whether the check never blocks for longer than [`Context::remaining`]. Such a check runs on the caller's thread.
    pub keeps_time: bool,
    /// Whether a line that the process prints triggers the check.
    pub on_output: bool,
    /// A path: a change in its directory triggers the check.
    pub on_path: Option<PathBuf>,
    /// Whether the check passes as soon as the process is spawned.
    pub(crate) at_spawn: bool,
}

impl Default for Manner {
    /// Returns the hints for a check that may block: it runs on a thread of its own, and output triggers it.
    fn default() -> Self {
        Self {
            keeps_time: false,
            on_output: true,
            on_path: None,
            at_spawn: false,
        }
    }
}

impl Manner {
    /// Creates the hints for a check that never blocks and that time alone triggers.
    ///
    /// ```
    /// use mirakuru::readiness::Manner;
    ///
    /// let manner = Manner::non_blocking();
    /// assert!(manner.keeps_time && !manner.on_output);
    /// ```
    #[must_use]
    pub fn non_blocking() -> Self {
        Self {
            keeps_time: true,
            on_output: false,
            on_path: None,
            at_spawn: false,
        }
    }

    /// Adds that a line which the process prints triggers the check.
    ///
    /// ```
    /// use mirakuru::readiness::Manner;
    ///
    /// assert!(Manner::non_blocking().woken_by_output().on_output);
    /// ```
    #[must_use]
    pub fn woken_by_output(self) -> Self {
        Self {
            on_output: true,
            ..self
        }
    }

    /// Adds that a change in the directory of this path triggers the check.
    ///
    /// ```
    /// use mirakuru::readiness::Manner;
    ///
    /// assert!(Manner::non_blocking().woken_by_path("/run/server.pid").on_path.is_some());
    /// ```
    #[must_use]
    pub fn woken_by_path(self, path: impl Into<PathBuf>) -> Self {
        Self {
            on_path: Some(path.into()),
            ..self
        }
    }

    /// Joins the hints of two checks that a wait polls together.
    ///
    /// ```
    /// use mirakuru::readiness::Manner;
    ///
    /// assert!(!Manner::non_blocking().with(Manner::default()).keeps_time);
    /// ```
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            keeps_time: self.keeps_time && other.keeps_time,
            on_output: self.on_output || other.on_output,
            on_path: self.on_path.or(other.on_path),
            at_spawn: self.at_spawn && other.at_spawn,
        }
    }
}
