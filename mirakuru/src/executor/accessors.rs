//! What an executor tells about itself.

use std::path::PathBuf;

use super::Executor;
use crate::output::Output;
use crate::readiness::{Readiness, tcp_address};
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// The command as one shell-quoted string: before the first start as it was written, then with
    /// its placeholders filled in.
    #[must_use]
    pub fn command(&self) -> String {
        self.session
            .command()
            .map_or_else(|| self.config.command.display(), |(line, _)| line)
    }

    /// The command as words; see [`command`](Self::command). Before the first start, a command that
    /// cannot be split is one word.
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

    /// Whether the main process runs; of what is reused ([`OnConflict::Reuse`](crate::OnConflict)),
    /// whether it answers.
    #[must_use]
    pub fn running(&self) -> bool {
        self.pid().is_some() || self.still_answers()
    }

    /// The main process's pid while it runs.
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

    /// The main process's exit code once it ended; negative for a signal's number. That of the
    /// latest start.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        if self.session.is_foreign() {
            return None;
        }
        let run = self.run()?;
        run.link.look(|state| state.exit_of(run.number))
    }

    /// What the latest start prints to its standard output.
    #[must_use]
    pub fn output(&self) -> Output {
        self.run().map_or_else(
            || Output::new(None, &self.command().into()),
            |run| run.context.output(),
        )
    }

    /// What the latest start prints to its standard error.
    #[must_use]
    pub fn err_output(&self) -> Output {
        self.run().map_or_else(
            || Output::new(None, &self.command().into()),
            |run| run.context.err_output(),
        )
    }

    /// A named group of the banner's match.
    #[must_use]
    pub fn captured(&self, group: &str) -> Option<String> {
        self.run()?.context.captured(group)
    }

    /// The host that is checked; `127.0.0.1` where none was given.
    #[must_use]
    pub fn host(&self) -> String {
        self.settled_host()
    }

    /// The port: the one that the service told in its banner, the given one, or the free one that
    /// stands for `{port}`, which is settled by the first call. 0 where there is none.
    ///
    /// # Panics
    ///
    /// If no free port can be leased, and in a forked child of the test process that asks first.
    #[must_use]
    pub fn port(&self) -> u16 {
        let told = self.captured("port").and_then(|port| port.parse().ok());
        told.unwrap_or_else(|| match self.told_port() {
            Ok(port) => port,
            Err(error) => panic!("{error}"),
        })
    }

    /// `host:port`, fit for [`TcpStream::connect`](std::net::TcpStream::connect).
    ///
    /// # Panics
    ///
    /// As [`port`](Self::port).
    #[must_use]
    pub fn addr(&self) -> String {
        tcp_address(&self.host(), self.port())
    }

    /// The URL that is checked, its placeholders filled in; of an executor that checks none,
    /// `http://host:port`.
    ///
    /// # Panics
    ///
    /// As [`port`](Self::port), and [`tmpdir`](Self::tmpdir) where the URL names it; for a placeholder
    /// that there is none of.
    #[must_use]
    pub fn url(&self) -> String {
        match self.readiness.target().url {
            Some(url) => self.filled(&url),
            None => format!("http://{}", self.addr()),
        }
    }

    /// The Unix socket: the one that is checked, or what `{socket}` stands for.
    ///
    /// # Panics
    ///
    /// As [`tmpdir`](Self::tmpdir), where it stands there; for a placeholder that there is none of.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.filled("{socket}").into()
    }

    /// The file that is checked, or what `{pidfile}` stands for.
    ///
    /// # Panics
    ///
    /// As [`tmpdir`](Self::tmpdir), where it stands there; for a placeholder that there is none of.
    #[must_use]
    pub fn filename(&self) -> PathBuf {
        self.filled("{pidfile}").into()
    }

    /// The private directory, which lives as long as the executor; made by the first call, so that
    /// a configuration file can be written there before the start.
    ///
    /// # Panics
    ///
    /// If it cannot be made, and in a forked child of the test process.
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
