//! The kinds of executors. Each kind joins the common executor to one check, and adds the options of that check.

use std::path::Path;

use super::Executor;
use crate::command::CommandLine;
use crate::readiness::{Context, Output, PidFile, Readiness, Spawned, Stream, Tcp, When};
#[cfg(feature = "http")]
use crate::readiness::{Http, StatusPattern};

/// An executor that is ready as soon as the process is spawned. Use it for a program that the test
/// does not talk to; otherwise choose an executor with a readiness check.
pub type SimpleExecutor = Executor<Spawned>;

/// An executor that is ready when a line of the output matches a banner. This is the most reliable
/// check, and the fastest: use it if the service prints a line once it takes requests.
pub type OutputExecutor = Executor<Output>;

/// An executor that is ready when a TCP port accepts a connection. Use it for a server of any
/// protocol that listens only once it can answer.
pub type TcpExecutor = Executor<Tcp>;

/// An executor that is ready when a URL answers with an accepted status. Use it for a web service
/// that listens before it can answer.
#[cfg(feature = "http")]
pub type HttpExecutor = Executor<Http>;

/// An executor that is ready when a file exists, usually a pid file. Use it for a service that
/// daemonizes.
pub type PidExecutor = Executor<PidFile>;

/// An executor of any kind. [`Executor::boxed`] returns one.
pub type AnyExecutor = Executor<Box<dyn Readiness>>;

/// # Create
///
/// Each kind of executor has its own `new`, listed below these two functions.
impl<R: Readiness> Executor<R> {
    /// Creates an executor from a command and a check: a check from [`readiness`](crate::readiness), a
    /// combination of checks, or your own.
    pub fn with_readiness(command: impl Into<CommandLine>, readiness: R) -> Self {
        Self::of_kind("Executor", command, readiness)
    }
}

impl<F: Fn(&Context) -> bool + Send + Sync + 'static> Executor<When<F>> {
    /// Creates an executor from a command and a closure that returns `true` once the service is
    /// ready.
    ///
    /// ```
    /// use mirakuru::Executor;
    /// use mirakuru::readiness::Context;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::when("sh -c 'echo $$ > {tmpdir}/up; exec sleep 60'", |cx: &Context| {
    ///     cx.tmpdir().join("up").exists()
    /// })
    /// .started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn when(command: impl Into<CommandLine>, ready: F) -> Self {
        Self::with_readiness(command, When(ready))
    }
}

impl SimpleExecutor {
    /// Creates an executor that runs this command.
    pub fn new(command: impl Into<CommandLine>) -> Self {
        Self::of_kind("SimpleExecutor", command, Spawned)
    }
}

impl OutputExecutor {
    /// Creates an executor that runs this command and waits until a line of its output matches
    /// `banner`. The banner is a regular expression. The check searches each line of both streams for
    /// it, without colours.
    pub fn new(command: impl Into<CommandLine>, banner: impl Into<String>) -> Self {
        Self::of_kind("OutputExecutor", command, Output::new(banner))
    }

    /// Searches only this stream for the banner. By default, both streams are searched.
    pub fn stream(self, stream: Stream) -> Self {
        self.with_check(|check| check.stream(stream))
    }

    /// Waits for the `n`-th line that matches. See [`Output::times`].
    pub fn times(self, n: u32) -> Self {
        self.with_check(|check| check.times(n))
    }
}

impl TcpExecutor {
    /// Creates an executor that runs this command and waits until `host:port` accepts a connection.
    /// Port 0 chooses a free port, and `{port}` in the command stands for it.
    pub fn new(command: impl Into<CommandLine>, host: impl Into<String>, port: u16) -> Self {
        Self::of_kind("TcpExecutor", command, Tcp::new(host, port))
    }

    /// Accepts any listener, even one outside the service's process tree, such as the proxy of a
    /// container engine. See [`Tcp::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(Tcp::any_listener)
    }
}

#[cfg(feature = "http")]
impl HttpExecutor {
    /// Creates an executor that runs this command and waits until the URL answers with a status of
    /// `2xx`. Placeholders in the URL are filled in, and `{port}` stands for a free port.
    pub fn new(command: impl Into<CommandLine>, url: impl Into<String>) -> Self {
        Self::of_kind("HttpExecutor", command, Http::new(url))
    }

    /// Accepts this status instead of `2xx`: a code, or a regular expression in a string that must
    /// match the whole code.
    pub fn status(self, status: impl Into<StatusPattern>) -> Self {
        self.with_check(|check| check.status(status))
    }

    /// Sends requests with this method. By default, the check sends HEAD, and repeats a request as GET
    /// if the service may have refused HEAD (400, 403, 404, 405, 501).
    pub fn method(self, method: impl Into<String>) -> Self {
        self.with_check(|check| check.method(method))
    }

    /// Sends these pairs as a form.
    pub fn payload<K: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with_check(|check| check.payload(pairs))
    }

    /// Sends this text with each request.
    pub fn body(self, text: impl Into<String>) -> Self {
        self.with_check(|check| check.body(text))
    }

    /// Accepts the certificate in this file and no other. See [`Http::certificate`].
    ///
    /// ```no_run
    /// use mirakuru::HttpExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "my-service --port {port} --write-certificate {tmpdir}/own.pem";
    /// let service = HttpExecutor::new(command, "https://127.0.0.1:{port}/health")
    ///     .certificate("{tmpdir}/own.pem")
    ///     .started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "https")]
    pub fn certificate(self, path: impl AsRef<Path>) -> Self {
        self.with_check(|check| check.certificate(path))
    }

    /// Accepts any certificate.
    #[cfg(feature = "https")]
    pub fn any_certificate(self) -> Self {
        self.with_check(Http::any_certificate)
    }

    /// Adds this header to each request.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_check(|check| check.header(name, value))
    }

    /// Accepts any listener, even one outside the service's process tree, such as the proxy of a
    /// container engine. See [`Tcp::any_listener`].
    pub fn any_listener(self) -> Self {
        self.with_check(Http::any_listener)
    }
}

impl PidExecutor {
    /// Creates an executor that runs this command and waits until the file exists. Placeholders in
    /// the name are filled in. The file `{pidfile}` is in the private directory.
    pub fn new(command: impl Into<CommandLine>, filename: impl AsRef<Path>) -> Self {
        Self::of_kind("PidExecutor", command, PidFile::new(filename))
    }
}
