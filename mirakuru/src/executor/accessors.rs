//! What an executor tells about itself.

use std::path::PathBuf;

use super::Executor;
use crate::output::Output;
use crate::readiness::{Readiness, tcp_address};
use crate::wait::Deadline;

/// # Use
impl<R: Readiness> Executor<R> {
    /// Returns the command as one shell-quoted string: before the first start as it was written, after
    /// that with its placeholders filled in.
    #[must_use]
    pub fn command(&self) -> String {
        self.session
            .command()
            .map_or_else(|| self.config.command.display(), |(line, _)| line)
    }

    /// Returns the command as words. See [`command`](Self::command). Before the first start, a command
    /// that cannot be split is returned as one word.
    #[must_use]
    pub fn command_parts(&self) -> Vec<String> {
        let written = || match self.config.command.words() {
            Ok(words) => words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            Err(_) => vec![self.config.command.display()],
        };
        self.session
            .command()
            .map_or_else(written, |(_, words)| words)
    }

    /// Returns `true` while the main process is running. For a reused service
    /// ([`OnConflict::Reuse`](crate::OnConflict)), returns whether it still answers.
    #[must_use]
    pub fn running(&self) -> bool {
        self.pid().is_some() || self.still_answers()
    }

    /// Returns the pid of the main process while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        if self.session.is_foreign() {
            return None;
        }
        let run = self.up()?;
        // Whoever shares it may have started another one since: what is told then is of that.
        let has_left = run.link.look(|state| state.has_left(run.number));
        (!has_left).then_some(run.pid)
    }

    /// Returns the exit code of the main process of the latest start, once it has ended. The code is
    /// negative for a process that a signal ended: `-9` for `SIGKILL`.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        if self.session.is_foreign() {
            return None;
        }
        let run = self.run()?;
        run.link.look(|state| state.exit_of(run.number))
    }

    /// Returns the standard output of the latest start.
    #[must_use]
    pub fn output(&self) -> Output {
        self.run().map_or_else(
            || Output::new(None, &self.command().into()),
            |run| run.context.output(),
        )
    }

    /// Returns the standard error of the latest start.
    #[must_use]
    pub fn err_output(&self) -> Output {
        self.run().map_or_else(
            || Output::new(None, &self.command().into()),
            |run| run.context.err_output(),
        )
    }

    /// Returns the text that a named group of the banner matched.
    #[must_use]
    pub fn captured(&self, group: &str) -> Option<String> {
        self.run()?.context.captured(group)
    }

    /// Returns the host that is checked, by default `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> String {
        self.settled_host()
    }

    /// Returns the port: the one that the banner captured in a group named `port`, else the given one,
    /// else the free one that stands for `{port}`. The first call leases the free port. Returns 0 if
    /// the executor has no port.
    ///
    /// # Panics
    ///
    /// Panics if no free port can be leased, and in a forked child of the test process if the parent
    /// has not leased it.
    #[must_use]
    pub fn port(&self) -> u16 {
        let told = self.captured("port").and_then(|port| port.parse().ok());
        told.unwrap_or_else(|| match self.told_port() {
            Ok(port) => port,
            Err(error) => panic!("{error}"),
        })
    }

    /// Returns `host:port`, as [`TcpStream::connect`](std::net::TcpStream::connect) takes it.
    ///
    /// # Panics
    ///
    /// Panics as [`port`](Self::port) does.
    #[must_use]
    pub fn addr(&self) -> String {
        tcp_address(&self.host(), self.port())
    }

    /// Returns the URL that is checked, with its placeholders filled in. An executor without a URL
    /// returns `http://host:port`.
    ///
    /// # Panics
    ///
    /// Panics as [`port`](Self::port) does, as [`tmpdir`](Self::tmpdir) does if the URL names it, and
    /// if the URL contains an unknown placeholder.
    #[must_use]
    pub fn url(&self) -> String {
        match self.readiness.target().url {
            Some(url) => self.filled(&url),
            None => format!("http://{}", self.addr()),
        }
    }

    /// Returns the path of the Unix socket that is checked, else the path that `{socket}` stands for.
    ///
    /// # Panics
    ///
    /// Panics as [`tmpdir`](Self::tmpdir) does if the path lies there, and if the path contains an
    /// unknown placeholder.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.filled("{socket}").into()
    }

    /// Returns the path of the file that is checked, else the path that `{pidfile}` stands for.
    ///
    /// # Panics
    ///
    /// Panics as [`tmpdir`](Self::tmpdir) does if the file lies there, and if the name contains an
    /// unknown placeholder.
    #[must_use]
    pub fn filename(&self) -> PathBuf {
        self.filled("{pidfile}").into()
    }

    /// Returns the private directory. The first call creates it, so a configuration file can be written
    /// there before the start. It is removed with the executor.
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be created, and in a forked child of the test process.
    #[must_use]
    pub fn tmpdir(&self) -> PathBuf {
        // Ahead of the lock, which a thread of the parent may have held at the fork.
        assert!(
            !self.session.is_foreign(),
            "the private directory belongs to the parent process"
        );
        let _turn = self.session.turn();
        let deadline = Deadline::after(self.config.start_bound());
        let link = self.link(deadline);
        match link.and_then(|link| self.directory(&link, deadline)) {
            Ok(directory) => directory,
            Err(error) => panic!("{error}"),
        }
    }
}
