//! The options that every kind of executor has. A start reads them. No option starts or changes a process.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{AnyExecutor, Executor, followed_by};
use crate::command::{EnvChange, Stdio, Template};
use crate::port::OnConflict;
use crate::readiness::Readiness;
use crate::signal::Signal;

/// # Configure
///
/// Option methods take the executor by value and return it.
impl<R: Readiness> Executor<R> {
    /// Appends a word to the command. Placeholders in the word are filled in. With [`shell`](Self::shell), the
    /// word is quoted.
    ///
    /// ```
    /// use mirakuru::TcpExecutor;
    ///
    /// let redis = TcpExecutor::new("redis-server --save ''", "127.0.0.1", 0).arg("--port").arg("{port}");
    /// assert_eq!(redis.command_parts(), ["redis-server", "--save", "", "--port", "{port}"]);
    /// ```
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.core.config.command.push(word.as_ref());
        self
    }

    /// Appends several words to the command. See [`arg`](Self::arg).
    pub fn args<S: AsRef<OsStr>>(self, words: impl IntoIterator<Item = S>) -> Self {
        words.into_iter().fold(self, Self::arg)
    }

    /// Adds a check that is asked once the executor's own check has passed. The service is ready when every check
    /// has passed once, in the order in which they were added.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, readiness::Exec};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new("sh -c 'echo listening; exec sleep 60'", "listening")
    ///     .also(Exec::new("true"))
    ///     .started()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn also(mut self, check: impl Readiness) -> Self {
        let check: Arc<dyn Readiness> = Arc::new(check);
        self.core.check = followed_by(Arc::clone(&self.core.check), Arc::clone(&check));
        self.core.also.push(check);
        self
    }

    /// Sets the working directory. Placeholders are filled in. Defaults to the directory of the test
    /// process.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.core.config.shape.cwd = Some(Template::parse(directory.as_ref()));
        self
    }

    /// Runs the command with `/bin/sh -c` if `shell` is `true`. The shell then expands variables, and sets up pipes
    /// and redirections. Placeholders are filled in without quotes. On Windows, `cmd.exe /d /s /c` runs the command.
    pub fn shell(mut self, shell: bool) -> Self {
        self.core.config.shape.shell = shell;
        self
    }

    /// Sets an environment variable. Placeholders in the value are filled in. The service inherits
    /// all other variables that the test process has at the start.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let change = EnvChange::Set(name.as_ref().to_owned(), Template::parse(value));
        self.core.config.shape.env.push(change);
        self
    }

    /// Sets several environment variables. See [`env`](Self::env).
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        variables
            .into_iter()
            .fold(self, |executor, (name, value)| executor.env(name, value))
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        let change = EnvChange::Remove(name.as_ref().to_owned());
        self.core.config.shape.env.push(change);
        self
    }

    /// Removes all environment variables. Variables that are set after this call stay. The variable by which the
    /// supervisor recognises its process tree stays too. On Windows, a program that lacks `SystemRoot` cannot open
    /// sockets: set it after this call.
    pub fn env_clear(mut self) -> Self {
        self.core.config.shape.env.push(EnvChange::Clear);
        self
    }

    /// Sets how long a start may take, from the check before the spawn to the last check after it.
    /// Defaults to 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.core.config.timeout = timeout;
        self
    }

    /// Sets how long the process may take to stop before the kill signal follows. Defaults to 10
    /// seconds. After a failed start, and in a drop during a panic, the limit is two seconds at most.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.core.config.stop_timeout = timeout;
        self
    }

    /// Sets the polling interval that applies while no event (output, a file change) triggers the
    /// check. Defaults to an interval that grows with the time waited, from 0.4 to 60 milliseconds.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.core.config.poll_interval = Some(interval);
        self
    }

    /// Sets the signal that asks the process to stop. Defaults to [`Signal::TERM`]. On Windows, `Signal::TERM`
    /// terminates the process tree at once, and [`Signal::INT`] sends `CTRL_BREAK` to the console group of the
    /// service first.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.core.config.stop_signal = signal;
        self
    }

    /// Sets the kill signal, which follows if the stop signal had no effect in time. [`kill`](Self::kill) sends it
    /// at once. Defaults to [`Signal::KILL`].
    ///
    /// For a program that must clean up, such as `docker run`, choose a signal that the program can catch.
    /// `SIGKILL` follows after the stop timeout. On Windows, every kill signal except [`Signal::INT`] terminates
    /// the process tree.
    pub fn kill_signal(mut self, signal: Signal) -> Self {
        self.core.config.kill_signal = signal;
        self
    }

    /// Sets an exit code that counts as success at a stop, in addition to 0. A negative code means death by that
    /// signal, on Windows a termination in place of that signal. By default, a stop accepts death by the stop signal
    /// `n` and the code `128 + n`.
    pub fn expected_returncode(mut self, code: i32) -> Self {
        self.core.config.expected_returncode = Some(code);
        self
    }

    /// Sets what a start does if another executor holds the fixed port. Defaults to
    /// [`OnConflict::Fail`]. The attribute and shared fixtures default to [`OnConflict::Wait`].
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.core.config.on_conflict = Some(policy);
        self
    }

    /// Sets the source of standard input. Defaults to a pipe to which [`input`](Self::input) writes, and which stays
    /// open until the process tree is gone. Use [`Stdio::null`] for a program that prompts.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.core.config.shape.streams.stdin = stdin.into();
        self
    }

    /// Sets the destination of standard output. By default, mirakuru captures it.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.core.config.shape.streams.stdout = stdout.into();
        self
    }

    /// Sets the destination of standard error. By default, mirakuru captures it.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.core.config.shape.streams.stderr = stderr.into();
        self
    }

    /// Sets the file into which the service logs. Errors, and the reports of annotated tests, show the text that the
    /// service added last. [`Stream::File`](crate::readiness::Stream::File) searches the file for a banner.
    ///
    /// Only text that was added since the start counts. The file may contain text of earlier starts, may appear
    /// later, and may be rotated or truncated. Placeholders are filled in. A relative path begins at the directory
    /// of the test process.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, readiness::Stream};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = OutputExecutor::new("sh -c 'echo started >> {tmpdir}/log; exec sleep 60'", "started")
    ///     .log_file("{tmpdir}/log")
    ///     .stream(Stream::File)
    ///     .started()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn log_file(mut self, path: impl AsRef<Path>) -> Self {
        self.core.config.log_file = Some(Template::parse(path.as_ref()));
        self
    }

    /// Sets the parent of the private directory. Defaults to the directory of temporary files. A relative path
    /// begins at the directory of the test process.
    pub fn tmpdir_in(mut self, parent: impl AsRef<Path>) -> Self {
        self.core.config.tmpdir_parent = Some(parent.as_ref().to_owned());
        self
    }

    /// Sets whether the private directory and the captured output stay after the end of the service. This option
    /// overrides `MIRAKURU_KEEP`.
    pub fn keep_tmpdir(mut self, keep: bool) -> Self {
        self.core.config.keep = Some(keep);
        self
    }

    /// Sets the name that errors and logs show instead of the kind.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.core.config.name = Some(name.into());
        self
    }

    /// Erases the type of the check, so that executors of several kinds fit into one collection.
    pub fn boxed(self) -> AnyExecutor {
        Executor {
            core: self.core,
            check: None,
        }
    }
}
