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
    pub fn new(command: impl Into<CommandLine>, socket: impl AsRef<Path>) -> Self {
        Self::of_kind("UnixSocketExecutor", command, UnixSocket::new(socket))
    }

    /// Accepts any listener, even one outside the service's process tree. See
    /// [`UnixSocket::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(UnixSocket::any_listener)
    }
}

impl NotifyExecutor {
    /// Creates an executor that runs this command and waits until the service sends `READY=1`.
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
    pub fn user_if_root(mut self, user: impl ToString) -> Self {
        self = self.user(user);
        self.core.config.shape.only_as_root = true;
        self
    }

    /// Sets the file mode creation mask of the service. See `umask(2)`.
    pub fn umask(mut self, mask: u32) -> Self {
        self.core.config.shape.umask = Some(mask);
        self
    }

    /// Adds `by` to the niceness of the service. See `nice(2)`.
    pub fn nice(mut self, by: i32) -> Self {
        self.core.config.shape.nice = Some(by);
        self
    }

    /// Limits a resource of the service. `u64::MAX` means no limit. See `setrlimit(2)`.
    pub fn rlimit(mut self, resource: Resource, soft: u64, hard: u64) -> Self {
        self.core.config.shape.rlimits.push((resource, soft, hard));
        self
    }
}
