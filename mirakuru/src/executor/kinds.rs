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
    ///
    /// ```
    /// use mirakuru::Executor;
    /// use mirakuru::readiness::{Output, PidFile, Readiness};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let check = Output::new("listening").and(PidFile::new("{pidfile}"));
    /// let script = "echo $$ > {pidfile}; echo listening; exec sleep 60";
    /// let service = Executor::with_readiness(["sh", "-c", script], check).started()?;
    /// assert!(service.filename().exists());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let worker = SimpleExecutor::new("sleep 60").started()?;
    /// assert!(worker.pid().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(command: impl Into<CommandLine>) -> Self {
        Self::of_kind("SimpleExecutor", command, Spawned)
    }
}

impl OutputExecutor {
    /// Creates an executor that runs this command and waits until a line of its output matches
    /// `banner`. The banner is a regular expression. The check searches each line of both streams for
    /// it, without colours.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo listening on port 8080; exec sleep 60";
    /// let banner = r"listening on port (?<port>\d+)";
    /// let service = OutputExecutor::new(["sh", "-c", script], banner).started()?;
    /// assert_eq!(service.port(), 8080);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(command: impl Into<CommandLine>, banner: impl Into<String>) -> Self {
        Self::of_kind("OutputExecutor", command, Output::new(banner))
    }

    /// Searches only this stream for the banner. By default, both streams are searched.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stream};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo ready: not yet; sleep 0.1; echo ready >&2; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "ready").stream(Stream::Stderr).started()?;
    /// assert_eq!(service.err_output().text(), "ready\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self, stream: Stream) -> Self {
        self.with_check(|check| check.stream(stream))
    }

    /// Waits for the `n`-th line that matches. See [`Output::times`].
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo worker is up; echo worker is up; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "is up").times(2).started()?;
    /// assert_eq!(service.output().tail(2), "worker is up\nworker is up");
    /// # Ok(())
    /// # }
    /// ```
    pub fn times(self, n: u32) -> Self {
        self.with_check(|check| check.times(n))
    }
}

impl TcpExecutor {
    /// Creates an executor that runs this command and waits until `host:port` accepts a connection.
    /// Port 0 chooses a free port, and `{port}` in the command stands for it.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let service = TcpExecutor::new("my-service --port {port}", "127.0.0.1", 0);
    /// assert_eq!(service.addr(), format!("127.0.0.1:{}", service.port()));
    /// ```
    pub fn new(command: impl Into<CommandLine>, host: impl Into<String>, port: u16) -> Self {
        Self::of_kind("TcpExecutor", command, Tcp::new(host, port))
    }

    /// Accepts any listener, even one outside the service's process tree, such as the proxy of a
    /// container engine. See [`Tcp::any_listener`].
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::{thread, time::Duration};
    ///
    /// use mirakuru::TcpExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo > {tmpdir}/up; exec sleep 60";
    /// let service = TcpExecutor::new(["sh", "-c", script], "127.0.0.1", 0).any_listener();
    /// let (up, addr) = (service.tmpdir().join("up"), service.addr());
    /// // The test itself listens in place of the service, as a proxy would.
    /// thread::spawn(move || {
    ///     while !up.exists() {
    ///         thread::sleep(Duration::from_millis(1));
    ///     }
    ///     let listener = TcpListener::bind(addr).expect("the port is free");
    ///     for _client in listener.incoming() {}
    /// });
    /// service.start()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn any_listener(self) -> Self {
        self.with_check(Tcp::any_listener)
    }
}

#[cfg(feature = "http")]
impl HttpExecutor {
    /// Creates an executor that runs this command and waits until the URL answers with a status of
    /// `2xx`. Placeholders in the URL are filled in, and `{port}` stands for a free port.
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let service = HttpExecutor::new("my-service --port {port}", "http://127.0.0.1:{port}/health");
    /// assert_eq!(service.url(), format!("http://127.0.0.1:{}/health", service.port()));
    /// ```
    pub fn new(command: impl Into<CommandLine>, url: impl Into<String>) -> Self {
        Self::of_kind("HttpExecutor", command, Http::new(url))
    }

    /// Accepts this status instead of `2xx`: a code, or a regular expression in a string that must
    /// match the whole code.
    ///
    /// ```
    /// use mirakuru::{HttpExecutor, OnConflict};
    /// # use std::{io::{Read, Write}, net::TcpListener, thread};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    /// # let url = format!("http://{}/", server.local_addr().expect("an address"));
    /// # thread::spawn(move || {
    /// #     for mut client in server.incoming().flatten() {
    /// #         let _ = client.read(&mut [0; 4096]);
    /// #         let _ = client.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    /// #     }
    /// # });
    /// let service = HttpExecutor::new("my-service", url)
    ///     .status(401)
    ///     .on_conflict(OnConflict::Reuse)
    ///     .started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(self, status: impl Into<StatusPattern>) -> Self {
        self.with_check(|check| check.status(status))
    }

    /// Sends requests with this method. By default, the check sends HEAD, and repeats a request as GET
    /// if the service may have refused HEAD (400, 403, 404, 405, 501).
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let url = "http://127.0.0.1:{port}/health";
    /// let service = HttpExecutor::new("my-service --port {port}", url).method("OPTIONS");
    /// assert!(service.url().ends_with("/health"));
    /// ```
    pub fn method(self, method: impl Into<String>) -> Self {
        self.with_check(|check| check.method(method))
    }

    /// Sends these pairs as a form.
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let service = HttpExecutor::new("my-service --port {port}", "http://127.0.0.1:{port}/login")
    ///     .method("POST")
    ///     .payload([("user", "test"), ("password", "secret")]);
    /// assert!(service.url().ends_with("/login"));
    /// ```
    pub fn payload<K: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with_check(|check| check.payload(pairs))
    }

    /// Sends this text with each request.
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let service = HttpExecutor::new("my-service --port {port}", "http://127.0.0.1:{port}/graphql")
    ///     .method("POST")
    ///     .header("content-type", "application/json")
    ///     .body(r#"{"query": "{ __typename }"}"#);
    /// assert!(service.url().ends_with("/graphql"));
    /// ```
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
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let command = "my-service --tls --port {port}";
    /// let service = HttpExecutor::new(command, "https://localhost:{port}/").any_certificate();
    /// assert_eq!(service.url(), format!("https://localhost:{}/", service.port()));
    /// ```
    #[cfg(feature = "https")]
    pub fn any_certificate(self) -> Self {
        self.with_check(Http::any_certificate)
    }

    /// Adds this header to each request.
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let service = HttpExecutor::new("my-service --port {port}", "http://127.0.0.1:{port}/status")
    ///     .header("authorization", "Bearer secret")
    ///     .header("accept", "application/json");
    /// assert_eq!(service.host(), "127.0.0.1");
    /// ```
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_check(|check| check.header(name, value))
    }

    /// Accepts any listener, even one outside the service's process tree, such as the proxy of a
    /// container engine. See [`Tcp::any_listener`].
    ///
    /// ```
    /// use mirakuru::HttpExecutor;
    ///
    /// let command = "docker run --rm --publish {port}:80 nginx";
    /// let service = HttpExecutor::new(command, "http://127.0.0.1:{port}/").any_listener();
    /// assert_eq!(service.addr(), format!("127.0.0.1:{}", service.port()));
    /// ```
    pub fn any_listener(self) -> Self {
        self.with_check(Http::any_listener)
    }
}

impl PidExecutor {
    /// Creates an executor that runs this command and waits until the file exists. Placeholders in
    /// the name are filled in. The file `{pidfile}` is in the private directory.
    ///
    /// ```
    /// use mirakuru::PidExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo $$ > {pidfile}; exec sleep 60";
    /// let daemon = PidExecutor::new(["sh", "-c", script], "{pidfile}").started()?;
    /// assert!(daemon.filename().starts_with(daemon.tmpdir()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(command: impl Into<CommandLine>, filename: impl AsRef<Path>) -> Self {
        Self::of_kind("PidExecutor", command, PidFile::new(filename))
    }
}
