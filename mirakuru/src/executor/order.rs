//! What a supervisor is told of the service that it is to start.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Executor;
use crate::command::{Opened, Place, Prepared};
use crate::environment::{self, Keep};
use crate::link::Link;
use crate::output::Capture;
use crate::protocol::{Launch, Lead, Row, StopPlan, Stream};
use crate::readiness::Readiness;
use crate::signal::Signal;
use crate::wait::Deadline;

/// Forks of other threads have become their programs by then.
const BUSY: Duration = Duration::from_millis(500);

impl<R: Readiness> Executor<R> {
    /// The message for the supervisor, the descriptors that travel with it, and this side of what
    /// is captured.
    pub(super) fn order(
        &self,
        link: &Link,
        prepared: Prepared,
        place: &Place,
        deadline: Deadline,
    ) -> io::Result<(Launch, Vec<OwnedFd>, Captures)> {
        let shape = &self.config.shape;
        let (mut streams, mut fds, mut captures) = ([Lead::Null; 3], Vec::new(), [None, None]);
        let leads = [
            &shape.streams.stdin,
            &shape.streams.stdout,
            &shape.streams.stderr,
        ];
        for (index, lead) in leads.into_iter().enumerate() {
            match lead.open(index)? {
                Opened::Null => {}
                Opened::Given(fd) => {
                    streams[index] = Lead::Given;
                    fds.push(fd);
                }
                Opened::Captured => {
                    let stream = if index == 1 {
                        Stream::Stdout
                    } else {
                        Stream::Stderr
                    };
                    let capture = Capture::new(stream, self.config.start_bound())?;
                    streams[index] = Lead::Captured;
                    fds.push(capture.file().try_clone()?.into());
                    captures[index - 1] = Some(Arc::new(capture));
                }
            }
        }
        let (name, value) = link.mark();
        let mut env = prepared.env;
        env.push((name.into(), value.into()));
        let order = Launch {
            words: prepared.words,
            command: self.command(),
            port: Some(place.port).filter(|port| *port != 0),
            env,
            cwd: prepared.cwd,
            identity: prepared.identity,
            umask: shape.umask,
            nice: shape.nice,
            rlimits: shape.rlimits.clone(),
            streams,
            farewell: self.stop_plan(self.config.stop_signal),
            keep: environment::keep() == Keep::All,
            busy: BUSY.min(deadline.remaining() / 2),
            pid_file: self.file_to_come(place),
            row: environment::trace().map(|file| self.row(file)),
        };
        Ok((order, fds, captures))
    }

    /// The file that the check looks for. One that is there before the start is somebody else's, and stays.
    /// Absolute, as the supervisor stands elsewhere, and the test may come to.
    fn file_to_come(&self, place: &Place) -> Option<PathBuf> {
        self.readiness.target().filename?;
        let file = std::path::absolute(place.pidfile.as_ref()?).ok()?;
        file.symlink_metadata().is_err().then_some(file)
    }

    fn row(&self, file: PathBuf) -> Row {
        let program = std::env::args_os().next().map(PathBuf::from);
        let program = program.as_deref().and_then(Path::file_name);
        let test = thread::current();
        Row {
            file,
            process: std::process::id(),
            program: program.unwrap_or_default().to_string_lossy().into_owned(),
            executor: self.title().to_owned(),
            test: test.name().unwrap_or_default().to_owned(),
        }
    }

    /// The stop that begins with this signal.
    pub(super) fn stop_plan(&self, signal: Signal) -> StopPlan {
        StopPlan {
            signal: signal.as_raw(),
            whole_tree: false,
            kill_signal: self.config.kill_signal.as_raw(),
            patience: self.config.stop_bound(),
        }
    }
}

/// Standard output and standard error, where they are captured.
type Captures = [Option<Arc<Capture>>; 2];
