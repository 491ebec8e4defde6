//! Writes to the standard input of a service. The supervisor holds the pipe, and a test process opens it for one
//! write only. So no program that the test starts, and no other service, inherits the pipe.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use super::Executor;
use super::core::Core;
use crate::error::Result;
use crate::link::Link;
use crate::readiness::Readiness;
use crate::sys;
use crate::wait::Deadline;

/// The interval at which a write that waits for room in the pipe checks whether the process has ended.
const LOOK: Duration = Duration::from_millis(50);

impl<R: Readiness> Executor<R> {
    /// Returns a writer to the standard input of the latest start. Any number of writers may exist. For a service
    /// that a run shares, other test processes may write too. Dropping a writer does not close the input:
    /// [`close_input`](Self::close_input) does.
    ///
    /// A write fails with [`BrokenPipe`](ErrorKind::BrokenPipe) after the process has ended, after
    /// `close_input`, and if [`stdin`](Self::stdin) was set. If the process does not read, a write waits for room in
    /// the pipe for as long as the executor's timeout, and then fails with [`TimedOut`](ErrorKind::TimedOut). On
    /// Windows, no event reports room, so the write checks for it every millisecond.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use mirakuru::OutputExecutor;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let script = "echo ready; read word; echo \"heard $word\"; sleep 60";
    /// let service = OutputExecutor::new(script, "ready").shell(true).started()?;
    /// writeln!(service.input(), "hello")?;
    /// assert_eq!(service.output().wait_for("heard")?, "heard hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn input(&self) -> impl Write + Send + Sync + use<R> {
        let run = self.core.unless_forked().and_then(Core::up);
        Input {
            service: run.map(|run| (run.link, run.number)),
            timeout: self.core.config.start_bound(),
        }
    }

    /// Closes the standard input. The process reads all bytes that were written, and then the end of the input. Does
    /// nothing if the process is not running, or if [`stdin`](Self::stdin) was set.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = SimpleExecutor::new("cat").started()?;
    /// writeln!(service.input(), "the last line")?;
    /// service.close_input()?;
    /// service.wait_for(|| service.exit_code() == Some(0))?;
    /// assert_eq!(service.output().text(), "the last line\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Io`: another process killed the supervisor.
    pub fn close_input(&self) -> Result<&Self> {
        self.act(Core::close_input)
    }
}

impl Core {
    fn close_input(&self) -> Result<()> {
        let Some(run) = self.up() else {
            return Ok(());
        };
        let closed = run.link.close_input();
        closed.ok_or_else(|| self.lost(run.link.swept()))
    }
}

/// The standard input of one service.
struct Input {
    service: Option<(Arc<Link>, u64)>,
    timeout: Duration,
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = || {
            let why = "the process has ended, or its standard input is not an open pipe";
            io::Error::new(ErrorKind::BrokenPipe, why)
        };
        let deadline = Deadline::after(self.timeout);
        let (link, number) = self.service.as_ref().ok_or_else(closed)?;
        let mut pipe = None;
        loop {
            // A process that the service left may still hold the pipe open, so the end is checked here.
            if link.current(|state| state.has_left(*number)) {
                return Err(closed());
            }
            let pipe = match &mut pipe {
                Some(pipe) => pipe,
                none => none.insert(sys::InputPipe::from(
                    link.input(*number, deadline).ok_or_else(closed)?,
                )),
            };
            match pipe.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return written,
            }
            if deadline.has_passed() {
                let why = "the process does not read its standard input";
                return Err(io::Error::new(ErrorKind::TimedOut, why));
            }
            // A signal may end the wait, and the next write decides.
            let _ = sys::await_writable(pipe, deadline.or_sooner(LOOK).remaining());
        }
    }

    /// Does nothing: no write is buffered.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
