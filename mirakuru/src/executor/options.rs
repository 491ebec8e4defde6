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
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let service = SimpleExecutor::new("cat").args(["-n", "a file"]);
    /// assert_eq!(service.command_parts(), ["cat", "-n", "a file"]);
    /// ```
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
    ///
    /// ```
    /// use mirakuru::PidExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo $$ > here; exec sleep 60";
    /// let service = PidExecutor::new(["sh", "-c", script], "{tmpdir}/here").cwd("{tmpdir}").started()?;
    /// assert!(service.tmpdir().join("here").exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.core.config.shape.cwd = Some(Template::parse(directory.as_ref()));
        self
    }

    /// Runs the command with `/bin/sh -c` if `shell` is `true`. The shell then expands variables, and sets up pipes
    /// and redirections. Placeholders of a string are filled in without quotes; added words are quoted. On Windows,
    /// `cmd.exe /d /s /c` runs the command, which must be one line.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "echo through a pipe | cat; sleep 60";
    /// let service = OutputExecutor::new(command, "pipe").shell(true).started()?;
    /// assert_eq!(service.output().text(), "through a pipe\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn shell(mut self, shell: bool) -> Self {
        self.core.config.shape.shell = shell;
        self
    }

    /// Sets an environment variable. Placeholders in the value are filled in. The service inherits
    /// all other variables that the test process has at the start.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo $GREETING; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "hello")
    ///     .env("GREETING", "hello from {host}")
    ///     .started()?;
    /// assert_eq!(service.output().text(), "hello from 127.0.0.1\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let change = EnvChange::Set(name.as_ref().to_owned(), Template::parse(value));
        self.core.config.shape.env.push(change);
        self
    }

    /// Sets several environment variables. See [`env`](Self::env).
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo $LEVEL at $PLACE; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "at")
    ///     .envs([("LEVEL", "debug"), ("PLACE", "home")])
    ///     .started()?;
    /// assert_eq!(service.output().text(), "debug at home\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        variables
            .into_iter()
            .fold(self, |executor, (name, value)| executor.env(name, value))
    }

    /// Removes an environment variable.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo level: $LEVEL.; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "level")
    ///     .env("LEVEL", "debug")
    ///     .env_remove("LEVEL")
    ///     .started()?;
    /// assert_eq!(service.output().text(), "level: .\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        let change = EnvChange::Remove(name.as_ref().to_owned());
        self.core.config.shape.env.push(change);
        self
    }

    /// Removes all environment variables. Variables that are set after this call stay. The variable by which the
    /// supervisor recognises its process tree stays too. On Windows, a program that lacks `SystemRoot` cannot open
    /// sockets: set it after this call.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let path = std::env::var_os("PATH").unwrap_or_default();
    /// let script = "echo name: $CARGO_PKG_NAME.; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "name")
    ///     .env_clear()
    ///     .env("PATH", path)
    ///     .started()?;
    /// assert_eq!(service.output().text(), "name: .\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env_clear(mut self) -> Self {
        self.core.config.shape.env.push(EnvChange::Clear);
        self
    }

    /// Sets how long a start may take, from the check before the spawn to the last check after it.
    /// Defaults to 60 seconds.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::{ErrorKind, OutputExecutor};
    ///
    /// let service = OutputExecutor::new("sleep 60", "listening").timeout(Duration::from_millis(100));
    /// let error = service.start().expect_err("the program prints nothing");
    /// assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.core.config.timeout = timeout;
        self
    }

    /// Sets how long the process may take to stop before the kill signal follows. Defaults to 10
    /// seconds. After a failed start, and in a drop during a panic, the limit is two seconds at most.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "trap '' TERM; echo up; exec sleep 60";
    /// let stubborn = OutputExecutor::new(["sh", "-c", script], "up")
    ///     .stop_timeout(Duration::from_millis(100))
    ///     .started()?;
    /// stubborn.stop()?;
    /// assert_eq!(stubborn.exit_code(), Some(-9));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.core.config.stop_timeout = timeout;
        self
    }

    /// Sets the polling interval that applies while no event (output, a file change) triggers the
    /// check. Defaults to an interval that grows with the time waited, from 0.4 to 60 milliseconds.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::{Context, Executor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo > {tmpdir}/up; exec sleep 60";
    /// let service = Executor::when(["sh", "-c", script], |cx: &Context| cx.tmpdir().join("up").exists())
    ///     .poll_interval(Duration::from_millis(5))
    ///     .started()?;
    /// assert!(service.tmpdir().join("up").exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.core.config.poll_interval = Some(interval);
        self
    }

    /// Sets the signal that asks the process to stop. Defaults to [`Signal::TERM`]. On Windows, `Signal::TERM`
    /// terminates the process tree at once, and [`Signal::INT`] sends `CTRL_BREAK` to the console group of the
    /// service first.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Signal};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "trap 'echo saved; exit 0' HUP; echo up; sleep 60 & wait";
    /// let service = OutputExecutor::new(["sh", "-c", script], "up").stop_signal(Signal::HUP).started()?;
    /// service.stop()?;
    /// assert_eq!(service.output().tail(1), "saved");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// use mirakuru::{Signal, SimpleExecutor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").kill_signal(Signal::HUP).started()?;
    /// service.kill()?;
    /// assert_eq!(service.exit_code(), Some(-Signal::HUP.as_raw()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill_signal(mut self, signal: Signal) -> Self {
        self.core.config.kill_signal = signal;
        self
    }

    /// Sets an exit code that counts as success at a stop, in addition to 0. A negative code means death by the signal
    /// of that number, on Windows a termination in place of that signal. By default, a stop accepts death by the stop
    /// signal `n` and the code `128 + n`.
    ///
    /// ```
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "trap 'exit 3' TERM; echo up; sleep 60 & wait";
    /// let service = OutputExecutor::new(["sh", "-c", script], "up").expected_returncode(3).started()?;
    /// service.stop()?;
    /// assert_eq!(service.exit_code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn expected_returncode(mut self, code: i32) -> Self {
        self.core.config.expected_returncode = Some(code);
        self
    }

    /// Sets what a start does if another executor holds the fixed port. Defaults to
    /// [`OnConflict::Fail`]. The attribute and shared fixtures default to [`OnConflict::Wait`].
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// use mirakuru::{OnConflict, TcpExecutor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let running = TcpListener::bind("127.0.0.1:0").expect("a free port");
    /// let port = running.local_addr().expect("an address").port();
    /// let service = TcpExecutor::new("my-service", "127.0.0.1", port)
    ///     .on_conflict(OnConflict::Reuse)
    ///     .started()?;
    /// assert_eq!((service.running(), service.pid()), (true, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.core.config.on_conflict = Some(policy);
        self
    }

    /// Sets the source of standard input. Defaults to a pipe to which [`input`](Self::input) writes, and which stays
    /// open until the process tree is gone. Use [`Stdio::null`] for a program that prompts.
    ///
    /// ```
    /// use mirakuru::{SimpleExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let reader = SimpleExecutor::new("cat").stdin(Stdio::null()).started()?;
    /// reader.wait_for(|| reader.exit_code() == Some(0))?;
    /// assert_eq!(reader.output().text(), "");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.core.config.shape.streams.stdin = stdin.into();
        self
    }

    /// Sets the destination of standard output. By default, Mirakuru captures it.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo a lot of text; echo ready >&2; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "ready").stdout(Stdio::null()).started()?;
    /// assert_eq!(service.output().text(), "");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.core.config.shape.streams.stdout = stdout.into();
        self
    }

    /// Sets the destination of standard error. By default, Mirakuru captures it.
    ///
    /// ```
    /// use mirakuru::{OutputExecutor, Stdio};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "echo a warning >&2; echo ready; exec sleep 60";
    /// let service = OutputExecutor::new(["sh", "-c", script], "ready").stderr(Stdio::null()).started()?;
    /// assert_eq!(service.err_output().text(), "");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let parent = std::env::temp_dir();
    /// let service = SimpleExecutor::new("my-service --data {tmpdir}").tmpdir_in(&parent);
    /// assert!(service.tmpdir().starts_with(&parent));
    /// ```
    pub fn tmpdir_in(mut self, parent: impl AsRef<Path>) -> Self {
        self.core.config.tmpdir_parent = Some(parent.as_ref().to_owned());
        self
    }

    /// Sets whether the private directory and the captured output stay after the end of the service. This option
    /// overrides `MIRAKURU_KEEP`.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let service = SimpleExecutor::new("my-service --data {tmpdir}").keep_tmpdir(false);
    /// let directory = service.tmpdir();
    /// drop(service);
    /// assert!(!directory.exists());
    /// ```
    pub fn keep_tmpdir(mut self, keep: bool) -> Self {
        self.core.config.keep = Some(keep);
        self
    }

    /// Sets the name that errors and logs show instead of the kind.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// let worker = SimpleExecutor::new("sleep 60").name("worker");
    /// assert_eq!(worker.to_string(), "worker: sleep 60");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.core.config.name = Some(name.into());
        self
    }

    /// Erases the type of the check, so that executors of several kinds fit into one collection.
    ///
    /// ```
    /// use mirakuru::{AnyExecutor, OutputExecutor, SimpleExecutor};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let services: [AnyExecutor; 2] = [
    ///     SimpleExecutor::new("sleep 60").boxed(),
    ///     OutputExecutor::new(["sh", "-c", "echo up; exec sleep 60"], "up").boxed(),
    /// ];
    /// for service in &services {
    ///     service.start()?;
    /// }
    /// assert!(services.iter().all(|service| service.running()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn boxed(self) -> AnyExecutor {
        Executor {
            core: self.core,
            check: None,
        }
    }
}
