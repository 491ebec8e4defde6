//! The seven executors: each the common one with a check of the crate.

use std::path::Path;

use super::Executor;
use crate::command::CommandLine;
#[cfg(feature = "http")]
use crate::readiness::{Http, StatusPattern};
use crate::readiness::{Output, PidFile, Readiness, Spawned, Stream, Tcp, UnixSocket};

/// Ready as soon as it is spawned. For programs that are not waited for: choose another where the
/// test talks to it.
pub type SimpleExecutor = Executor<Spawned>;

/// Ready when a line of its output matches a banner. For services that say when they are ready; it
/// is the surest and the quickest.
pub type OutputExecutor = Executor<Output>;

/// Ready when a TCP port accepts a connection. For servers of any protocol.
pub type TcpExecutor = Executor<Tcp>;

/// Ready when a Unix socket accepts a connection.
pub type UnixSocketExecutor = Executor<UnixSocket>;

/// Ready when a URL answers with an accepted status. For web services that listen before they can
/// answer.
#[cfg(feature = "http")]
pub type HttpExecutor = Executor<Http>;

/// Ready when a file exists, most often a pid file. For services that daemonize.
pub type PidExecutor = Executor<PidFile>;

/// An executor of any kind; see [`Executor::boxed`].
pub type AnyExecutor = Executor<Box<dyn Readiness>>;

impl SimpleExecutor {
    /// Runs this command.
    pub fn new(command: impl Into<CommandLine>) -> Self {
        Self::of_kind("SimpleExecutor", command, Spawned)
    }
}

impl OutputExecutor {
    /// Runs this command until a line of its output matches `banner`, a regular expression that is
    /// searched for in each line; colours are ignored.
    pub fn new(command: impl Into<CommandLine>, banner: impl Into<String>) -> Self {
        Self::of_kind("OutputExecutor", command, Output::new(banner))
    }

    /// Looks for the banner in this stream only; in both by default.
    pub fn stream(self, stream: Stream) -> Self {
        self.with_check(|check| check.stream(stream))
    }
}

impl TcpExecutor {
    /// Runs this command until `host:port` accepts a connection. Port 0 is a free one, `{port}` in
    /// the command.
    pub fn new(command: impl Into<CommandLine>, host: impl Into<String>, port: u16) -> Self {
        Self::of_kind("TcpExecutor", command, Tcp::new(host, port))
    }

    /// Takes whatever answers for the service, also where it is no process of its tree, as a
    /// container's proxy is none; see [`Tcp::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(Tcp::any_listener)
    }
}

impl UnixSocketExecutor {
    /// Runs this command until the socket accepts a connection. Placeholders in its path are
    /// filled in; `{socket}` alone is one in the private directory.
    pub fn new(command: impl Into<CommandLine>, socket: impl AsRef<Path>) -> Self {
        Self::of_kind("UnixSocketExecutor", command, UnixSocket::new(socket))
    }

    /// Takes whatever answers for the service, also where it is no process of its tree; see
    /// [`UnixSocket::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(UnixSocket::any_listener)
    }
}

#[cfg(feature = "http")]
impl HttpExecutor {
    /// Runs this command until the URL answers with a status of `2xx`. Placeholders in it are
    /// filled in; `{port}` is a free one.
    pub fn new(command: impl Into<CommandLine>, url: impl Into<String>) -> Self {
        Self::of_kind("HttpExecutor", command, Http::new(url))
    }

    /// Accepts this status instead: a code, or a regular expression in a string that must match
    /// the whole code.
    pub fn status(self, status: impl Into<StatusPattern>) -> Self {
        self.with_check(|check| check.status(status))
    }

    /// Asks with this method. By default HEAD, and GET where the service may have refused
    /// that, by an unaccepted 400, 403, 404, 405 or 501.
    pub fn method(self, method: &str) -> Self {
        self.with_check(|check| check.method(method))
    }

    /// Sends these pairs as a form.
    pub fn payload<K: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with_check(|check| check.payload(pairs))
    }

    /// Takes whatever answers for the service, also where it is no process of its tree, as a
    /// container's proxy is none; see [`Tcp::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(Http::any_listener)
    }

    /// Sends this header too.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_check(|check| check.header(name, value))
    }
}

impl PidExecutor {
    /// Runs this command until the file exists. Placeholders in its name are filled in; `{pidfile}`
    /// alone is one in the private directory.
    pub fn new(command: impl Into<CommandLine>, filename: impl AsRef<Path>) -> Self {
        Self::of_kind("PidExecutor", command, PidFile::new(filename))
    }
}
