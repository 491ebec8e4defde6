//! The methods by which an executor reports its command, its process, its output and its addresses.

use std::path::PathBuf;
use std::process::ExitStatus;

use super::Executor;
use super::core::Core;
use crate::error::Result;
use crate::output::Output;
use crate::protocol::Stream;
use crate::readiness::{Readiness, tcp_address};
use crate::sys::exit_status_of;

/// # Use
impl<R: Readiness> Executor<R> {
    /// Returns the command as one shell-quoted string. Before the first start, the command is as you wrote it. After the
    /// start, its placeholders are filled in. On Windows, the quotes are those of the C runtime.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let server = SimpleExecutor::new("serve --port {port} 'my data'");
    /// assert_eq!(server.command(), "serve --port {port} 'my data'");
    /// ```
    #[must_use]
    pub fn command(&self) -> String {
        self.core.command().as_ref().to_owned()
    }

    /// Returns the command as words. See [`command`](Self::command). Before the first start, a command
    /// that cannot be split is returned as one word.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let server = SimpleExecutor::new("serve --port {port} 'my data'");
    /// assert_eq!(server.command_parts(), ["serve", "--port", "{port}", "my data"]);
    /// ```
    #[must_use]
    pub fn command_parts(&self) -> Vec<String> {
        self.core.shown().words.clone()
    }

    /// Returns `true` while the main process is running. For a reused service
    /// ([`OnConflict::Reuse`](crate::OnConflict)), returns whether it still answers.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60");
    /// assert!(!service.running());
    /// service.start()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn running(&self) -> bool {
        let core = self.core.unless_forked();
        core.is_some_and(|core| core.pid().is_some() || core.still_answers())
    }

    /// Returns the pid of the main process while it runs.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// assert!(service.pid().is_some());
    /// service.stop()?;
    /// assert_eq!(service.pid(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.core.pid()
    }

    /// Returns the exit code of the main process of the latest start, once it has ended. The code is
    /// negative for a process that a signal ended: `-9` for `SIGKILL`.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// assert_eq!(service.exit_code(), None);
    /// service.kill()?;
    /// assert_eq!(service.exit_code(), Some(-9));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows, a process that Mirakuru terminated has the negative number of the signal. If a program exits with a
    /// code from -1 to -63, this returns the lowest eight bits of the code: 255 for -1.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.core.exit_code()
    }

    /// Returns the exit status of the main process of the latest start, once the process has ended: the status that
    /// [`Child::wait`](std::process::Child::wait) would return, without the flag for a core dump.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// assert!(service.exit_status().is_none());
    /// service.kill()?;
    /// assert!(!service.exit_status().expect("the process was killed").success());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.exit_code().map(exit_status_of)
    }

    /// Returns the standard output of the latest start.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new("sh -c 'echo ready; exec sleep 60'", "ready").started()?;
    /// assert_eq!(service.output().text(), "ready\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn output(&self) -> Output {
        self.core.output(Stream::Stdout)
    }

    /// Returns the standard error of the latest start.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new("sh -c 'echo ready >&2; exec sleep 60'", "ready").started()?;
    /// assert_eq!(service.err_output().text(), "ready\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn err_output(&self) -> Output {
        self.core.output(Stream::Stderr)
    }

    /// Returns the text that a named group of the banner matched.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo version 4.2, ready; exec sleep 60'";
    /// let service = OutputExecutor::new(command, r"version (?<version>\S+), ready").started()?;
    /// assert_eq!(service.captured("version").as_deref(), Some("4.2"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn captured(&self, group: &str) -> Option<String> {
        self.core.run()?.context.captured(group)
    }

    /// Returns the host that the check asks, by default `127.0.0.1`.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let server = TcpExecutor::new("serve --bind {host}", "localhost", 0);
    /// assert_eq!(server.host(), "localhost");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as [`port`](Self::port) does if the host contains the placeholder of a port.
    #[must_use]
    pub fn host(&self) -> String {
        self.core.host().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the port of the service: the first of these that exists.
    ///
    /// 1. The port that the banner captured in a group named `port`.
    /// 2. The port that the check asks.
    /// 3. The free port that stands for `{port}`. The first call leases it, so a test can write a configuration file
    ///    before the start.
    ///
    /// If no string of the executor contains `{port}` and the check asks a named port, this method returns the named port.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let server = TcpExecutor::new("serve --port {port}", "127.0.0.1", 0);
    /// let port = server.port();
    /// assert!(port >= 10_000);
    /// assert_eq!(server.port(), port);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no free port can be leased, and in a forked child of the test process if the parent
    /// has not leased it. Panics if the banner has a group `port`, no line has matched it yet, and no string of the executor
    /// contains `{port}`. [`prepare`](Self::prepare) returns an error instead.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.core.port().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the free port that stands for `{port:NAME}`. The first call leases it.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let node = SimpleExecutor::new("node --port {port} --monitor {port:monitor}");
    /// assert_ne!(node.port(), node.port_named("monitor"));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the name is not of the form `[a-z][a-z0-9_]*`, if no free port can be leased, and in a forked
    /// child of the test process if the parent has not leased it.
    #[must_use]
    pub fn port_named(&self, name: &str) -> u16 {
        assert!(!name.is_empty(), "the name of the port is empty");
        let port = self.core.port_named(name);
        port.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates what a start needs before it spawns the process: the supervisor, the private directory, and the leases on
    /// the free ports. After this call, [`port`](Self::port), [`tmpdir`](Self::tmpdir) and the similar methods do not
    /// panic for lack of them.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let server = SimpleExecutor::new("server --config {tmpdir}/server.conf");
    /// server.prepare()?;
    /// let text = format!("port = {}\n", server.port());
    /// std::fs::write(server.tmpdir().join("server.conf"), text).expect("the directory is there");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `InvalidConfig`: the configuration contains a mistake.
    /// - `Io`: the system refused a process, a directory or a port.
    pub fn prepare(&self) -> Result<&Self> {
        self.act(Core::prepare)
    }

    /// Returns `host:port`, as [`TcpStream::connect`](std::net::TcpStream::connect) takes it. If the host is `localhost`
    /// and the service is ready, the host is the loopback address that answered the check.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let server = TcpExecutor::new("serve --port {port}", "127.0.0.1", 0);
    /// assert_eq!(server.addr(), format!("127.0.0.1:{}", server.port()));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as [`port`](Self::port) does.
    #[must_use]
    pub fn addr(&self) -> String {
        self.core.addr().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the URL that the check requests, with its placeholders filled in. An executor without a URL returns
    /// `http://host:port`.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let server = TcpExecutor::new("serve --port {port}", "127.0.0.1", 0);
    /// assert_eq!(server.url(), format!("http://{}", server.addr()));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as [`port`](Self::port) does, as [`tmpdir`](Self::tmpdir) does if the URL names it, and
    /// if the URL contains an unknown placeholder.
    #[must_use]
    pub fn url(&self) -> String {
        self.core.url().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the path of the Unix socket that the check asks, or else the path that `{socket}` stands for.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let server = SimpleExecutor::new("serve --socket {socket}");
    /// assert!(!server.socket().exists(), "the server has not created it yet");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as [`tmpdir`](Self::tmpdir) does if the path lies there, and if the path contains an
    /// unknown placeholder.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.core.filled("{socket}").into()
    }

    /// Returns the path of the pid file that the check reads, or else the path that `{pidfile}` stands for.
    ///
    /// ```
    /// use mirakuru::PidExecutor;
    ///
    /// let daemon = PidExecutor::new("daemon --pidfile {pidfile}", "{pidfile}");
    /// assert!(daemon.filename().starts_with(daemon.tmpdir()));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as [`tmpdir`](Self::tmpdir) does if the file lies there, and if the name contains an
    /// unknown placeholder.
    #[must_use]
    pub fn filename(&self) -> PathBuf {
        self.core.filled("{pidfile}").into()
    }

    /// Returns the private directory. The first call creates it, so a test can write a configuration file before the
    /// start. The drop of the executor removes it.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let server = SimpleExecutor::new("serve --config {tmpdir}/server.conf");
    /// let directory = server.tmpdir();
    /// std::fs::write(directory.join("server.conf"), "verbose = true").expect("the directory exists");
    /// drop(server);
    /// assert!(!directory.exists());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be created, and in a forked child of the test process.
    #[must_use]
    pub fn tmpdir(&self) -> PathBuf {
        self.core.tmpdir()
    }
}

impl Core {
    pub(super) fn pid(&self) -> Option<u32> {
        let run = self.unless_forked()?.up()?;
        // Another process of the run may have started a newer service, which `current` then reports on.
        let has_left = run.link.current(|state| state.has_left(run.number));
        let main = run.link.cached(|state| state.notified.main);
        (!has_left).then_some(main.unwrap_or(run.pid))
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        let run = self.unless_forked()?.run()?;
        run.link.current(|state| state.exit_of(run.number))
    }

    fn output(&self, stream: Stream) -> Output {
        self.run().map_or_else(
            || Output::new(None, &self.command()),
            |run| run.context.output_of(stream),
        )
    }

    pub(super) fn addr(&self) -> Result<String> {
        let host = self.host()?;
        let answered = || self.state(|state| state.answered());
        let answered = host.eq_ignore_ascii_case("localhost").then(answered);
        let host = answered.flatten().unwrap_or(host);
        Ok(tcp_address(&host, self.port()?))
    }

    pub(super) fn url(&self) -> Result<String> {
        match self.check.target().url {
            Some(url) => Ok(self.filled(&url)),
            None => Ok(format!("http://{}", self.addr()?)),
        }
    }
}
