//! The kinds of executors and the options that exist on Unix only.

use std::path::Path;

use super::Executor;
use crate::command::CommandLine;
use crate::limits::Resource;
use crate::readiness::{Notify, Readiness, UnixSocket};

/// An executor that is ready when a Unix socket accepts a connection. Windows does not have it.
pub type UnixSocketExecutor = Executor<UnixSocket>;

/// An executor that is ready when the service reports readiness itself, by `sd_notify(3)`. Use it for a service
/// that has a systemd unit of `Type=notify`. See [`Notify`]. Windows does not have it.
pub type NotifyExecutor = Executor<Notify>;

impl UnixSocketExecutor {
    /// Creates an executor that runs this command and waits until the socket accepts a connection.
    /// Placeholders in the path are filled in. The path `{socket}` is in the private directory.
    ///
    /// ```
    /// use mirakuru::UnixSocketExecutor;
    ///
    /// let service = UnixSocketExecutor::new("my-service --socket {socket}", "{socket}");
    /// assert!(service.socket().starts_with(service.tmpdir()));
    /// ```
    pub fn new(command: impl Into<CommandLine>, socket: impl AsRef<Path>) -> Self {
        Self::of_kind("UnixSocketExecutor", command, UnixSocket::new(socket))
    }

    /// Accepts any listener, even one outside the service's process tree. See
    /// [`UnixSocket::any_listener`].
    ///
    /// ```
    /// use std::os::unix::net::UnixListener;
    /// use std::{thread, time::Duration};
    ///
    /// use mirakuru::UnixSocketExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo > {tmpdir}/up; exec sleep 60";
    /// let service = UnixSocketExecutor::new(["sh", "-c", script], "{socket}").any_listener();
    /// let (up, socket) = (service.tmpdir().join("up"), service.socket());
    /// // The test itself listens in place of the service, as a socket-activating daemon would.
    /// thread::spawn(move || {
    ///     while !up.exists() {
    ///         thread::sleep(Duration::from_millis(1));
    ///     }
    ///     let listener = UnixListener::bind(socket).expect("the path is free");
    ///     for _client in listener.incoming() {}
    /// });
    /// service.start()?;
    /// assert!(service.socket().exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn any_listener(self) -> Self {
        self.with_check(UnixSocket::any_listener)
    }
}

impl NotifyExecutor {
    /// Creates an executor that runs this command and waits until the service sends `READY=1`.
    ///
    /// ```no_run
    /// use mirakuru::NotifyExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = NotifyExecutor::new("my-service --foreground").started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(command: impl Into<CommandLine>) -> Self {
        Self::of_kind("NotifyExecutor", command, Notify)
    }
}

/// # Configure, on Unix
///
/// Windows does not have these options.
impl<R: Readiness> Executor<R> {
    /// Runs the service as this user, given by name or number, with all groups of that user. The user owns the
    /// private directory. The test process must have the right to change users.
    ///
    /// The user may be able to change the path of a log file, an output file, a pid file or a certificate. The test
    /// process then reads or writes the file only if the user could do so too.
    ///
    /// ```no_run
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("my-service --data {tmpdir}").user("nobody").started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a name or a number is given, not borrowed"
    )]
    pub fn user(mut self, user: impl ToString) -> Self {
        self.core.config.shape.user = Some(user.to_string());
        self.core.config.shape.only_as_root = false;
        self
    }

    /// Runs the service as this user if the test process runs as root, and as the user of the test process
    /// otherwise. Use it for a server that refuses to run as root. See [`user`](Self::user).
    ///
    /// ```no_run
    /// use mirakuru::TcpExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "my-database --port {port} --data {tmpdir}";
    /// let database = TcpExecutor::new(command, "127.0.0.1", 0).user_if_root("nobody").started()?;
    /// std::net::TcpStream::connect(database.addr()).expect("the database is ready");
    /// # Ok(())
    /// # }
    /// ```
    pub fn user_if_root(mut self, user: impl ToString) -> Self {
        self = self.user(user);
        self.core.config.shape.only_as_root = true;
        self
    }

    /// Sets the file mode creation mask of the service. See `umask(2)`.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new(["sh", "-c", "umask; exec sleep 60"], "7").umask(0o077).started()?;
    /// assert!(service.output().tail(1).ends_with("077"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn umask(mut self, mask: u32) -> Self {
        self.core.config.shape.umask = Some(mask);
        self
    }

    /// Adds `by` to the niceness of the service. See `nice(2)`.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let background = SimpleExecutor::new("sleep 60").nice(5).started()?;
    /// assert!(background.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn nice(mut self, by: i32) -> Self {
        self.core.config.shape.nice = Some(by);
        self
    }

    /// Limits a resource of the service. `None` and `u64::MAX` mean no limit. See `setrlimit(2)`.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Resource};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new(["sh", "-c", "ulimit -n; exec sleep 60"], "64")
    ///     .rlimit(Resource::OpenFiles, 64, 64)
    ///     .rlimit(Resource::Core, 0, None)
    ///     .started()?;
    /// assert_eq!(service.output().tail(1), "64");
    /// # Ok(())
    /// # }
    /// ```
    pub fn rlimit(
        mut self,
        resource: Resource,
        soft: impl Into<Option<u64>>,
        hard: impl Into<Option<u64>>,
    ) -> Self {
        let [soft, hard] = [soft.into(), hard.into()].map(|limit| limit.unwrap_or(u64::MAX));
        self.core.config.shape.rlimits.push((resource, soft, hard));
        self
    }
}
