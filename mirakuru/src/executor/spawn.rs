//! Spawns the service. Builds the launch request with its environment and streams, and sends it to the supervisor,
//! which spawns the process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::core::Core;
use super::run::Run;
use super::settle::Settled;
use super::together;
use crate::command::{OpenStream, Place, Prepared};
use crate::environment::{self, Keep};
use crate::error::Result;
use crate::events::{self, Step};
use crate::link::{Link, SUPERVISOR_BOUND, State};
use crate::output::{Capture, LogFile};
use crate::protocol::{GRACE, Identity, Launch, Leftover, Stream, StreamTarget, TraceRow};
use crate::readiness::{Context, Start, Target};
use crate::sys::{Handle, OtherUser};
use crate::wait::Deadline;

/// How long a spawn is retried while the program file is busy. Forked children of other threads, which inherit an
/// open descriptor of the file, have called `exec` within this time.
const BUSY: Duration = Duration::from_millis(500);

/// A launch request for the supervisor.
struct Order {
    launch: Launch,
    /// The streams that are sent with the message.
    handles: Vec<Handle>,
    /// The captured output, as this process reads it.
    captures: Captures,
}

impl Core {
    /// Spawns the process and notes it as the latest run.
    pub(super) fn spawn(&self, settled: Settled, deadline: Deadline) -> Result<Run> {
        let Settled {
            link,
            context,
            prepared,
        } = settled;
        let place = &context.start.place;
        let order = self.order(&link, prepared, &context.start, deadline);
        let Order {
            launch,
            handles,
            captures,
        } = order.map_err(|error| self.refused("prepare its streams", error))?;
        for capture in captures.iter().flatten() {
            capture.attach(&link);
        }
        let log = self.log_file(place, context.start.user.clone())?;
        if let Some(log) = &log {
            log.await_tick();
        }
        let plan = launch.on_owner_exit;
        let pid = self.launch(&link, (launch, &handles), place, deadline)?;
        let [stdout, stderr] = captures;
        let start = self.start_before_spawn(place.clone(), Some(Arc::clone(&link)), deadline);
        let mut run = Run {
            pid,
            number: link.cached(State::current),
            context: Context::new(Start {
                pid: Some(pid),
                stdout,
                stderr,
                log,
                ..start
            }),
            link,
            plan,
            up: true,
            ready: false,
            printers: None,
            keep: self.config.keep(),
            title: self.title().into(),
            is_named: self.is_named(),
        };
        run.print_output();
        run.emit(Step::debug(format!("runs with pid {pid}")));
        if self.config.keep() == Keep::All {
            run.announce_files();
        }
        self.state(|state| state.run = Some(run.clone()));
        together::note_spawn();
        Ok(run)
    }

    fn launch(
        &self,
        link: &Link,
        (launch, handles): (Launch, &[Handle]),
        place: &Place,
        deadline: Deadline,
    ) -> Result<u32> {
        let plan = launch.on_owner_exit;
        match link.launch(launch, handles, deadline) {
            Some(Ok(pid)) => Ok(pid),
            Some(Err(failure)) => Err(self.not_spawned(&failure, place)),
            // A killed supervisor closes the connection, so this is noticed before the deadline.
            None if !deadline.has_passed() && link.current(|state| state.lost) => {
                Err(self.without_supervisor(link))
            }
            // This start gives up a supervisor that does not answer before the deadline.
            None => {
                let plan = plan.hasty();
                // The supervisor may be frozen, or only late. A late one has this time to stop the service.
                let bound = plan.longest().min(SUPERVISOR_BOUND);
                link.stop_within(plan, None, bound.saturating_add(GRACE));
                Err(self.not_spawned_in_time(deadline))
            }
        }
    }

    fn order(
        &self,
        link: &Link,
        prepared: Prepared,
        Start { place, user, .. }: &Start,
        deadline: Deadline,
    ) -> io::Result<Order> {
        let shape = &self.config.shape;
        let other = user.as_ref().map(Identity::as_other);
        let (streams, handles, captures) = self.streams(other)?;
        let (name, value) = link.mark();
        let mut env = prepared.env;
        // The last value of a name counts. This one overrides what the user has set, and what a test that runs
        // within a service inherits.
        env.push((name.into(), value.into()));
        let target = self.check.target();
        let notify = target.notifies.then(|| link.path_of_notices());
        if let Some(path) = &notify {
            env.push(("NOTIFY_SOCKET".into(), path.into()));
        }
        let pid_file = awaited_file(&target, place);
        let pid_file = pid_file.map(|path| (path, user.clone()));
        let notices = notify.clone().map(|path| (path, None));
        let leftovers = pid_file.into_iter().chain(notices);
        let leftovers = leftovers.map(|(path, user)| Leftover { path, user });
        let launch = Launch {
            words: prepared.words,
            command: self.command().as_ref().to_owned(),
            ports: place.ports.clone().into_iter().collect(),
            env,
            cwd: prepared.cwd,
            identity: prepared.identity,
            umask: shape.umask,
            nice: shape.nice,
            rlimits: shape.rlimits.clone(),
            streams,
            on_owner_exit: self.stop_plan(self.config.stop_signal),
            keep: self.config.keep() == Keep::All,
            busy: BUSY.min(deadline.remaining() / 2),
            notify,
            leftovers: leftovers.collect(),
            row: timeline().map(|file| self.row(file)),
        };
        Ok(Order {
            launch,
            handles,
            captures,
        })
    }

    /// Opens the log file at its current end: the text before it belongs to earlier starts.
    pub(super) fn log_file(
        &self,
        place: &Place,
        user: Option<Identity>,
    ) -> Result<Option<Arc<LogFile>>> {
        let begin = |path| LogFile::begin(path, user);
        let log = place.log_file.clone().map(begin).transpose();
        let log = log.map(|log| log.map(Arc::new));
        log.map_err(|error| self.refused("copy its log file", error))
    }

    /// Opens the standard streams of a service, which may run as another user.
    fn streams(
        &self,
        user: Option<OtherUser<'_>>,
    ) -> io::Result<([StreamTarget; 3], Vec<Handle>, Captures)> {
        let written = &self.config.shape.streams;
        let (mut streams, mut handles, mut captures) =
            ([StreamTarget::Null; 3], Vec::new(), [None, None]);
        let given = [
            (&written.stdin, None),
            (&written.stdout, Some(Stream::Stdout)),
            (&written.stderr, Some(Stream::Stderr)),
        ];
        for (index, (lead, stream)) in given.into_iter().enumerate() {
            match (lead.open(index, user)?, stream) {
                (OpenStream::Given(handle), _) => {
                    streams[index] = StreamTarget::Given;
                    handles.push(handle);
                }
                (OpenStream::Captured, Some(stream)) => {
                    let capture = Capture::new(stream, self.config.start_bound())?;
                    streams[index] = StreamTarget::Captured;
                    handles.push(capture.file().try_clone()?.into());
                    captures[stream as usize] = Some(Arc::new(capture));
                }
                (OpenStream::OpenPipe, _) => streams[index] = StreamTarget::OpenPipe,
                (OpenStream::Null | OpenStream::Captured, _) => {}
            }
        }
        Ok((streams, handles, captures))
    }

    fn row(&self, file: PathBuf) -> TraceRow {
        let program = std::env::args_os().next().map(PathBuf::from);
        let program = program.as_deref().and_then(Path::file_name);
        let test = thread::current();
        TraceRow {
            file,
            process: std::process::id(),
            program: program.unwrap_or_default().to_string_lossy().into_owned(),
            executor: self.title().to_owned(),
            test: test.name().unwrap_or_default().to_owned(),
        }
    }
}

/// Returns the file of the timeline. The supervisor writes it after the last test, so the first start of a process
/// reports a file that cannot be written.
fn timeline() -> Option<PathBuf> {
    // A `Once` would deadlock in a child that is forked during the report.
    static REPORTED: AtomicBool = AtomicBool::new(false);
    let file = environment::trace()?;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let why = match options.open(&file).and_then(|opened| opened.metadata()) {
        Ok(found) if found.is_file() => return Some(file),
        Ok(_) => "not a regular file".to_owned(),
        Err(error) => error.to_string(),
    };
    if !REPORTED.swap(true, Ordering::Relaxed) {
        let mistake = environment::not_a_trace(&file);
        events::print_uncaptured(&format!(
            "mirakuru: {mistake} ({why}): no timeline is written"
        ));
    }
    None
}

/// Standard output and standard error, each if it is captured.
type Captures = [Option<Arc<Capture>>; 2];

/// Returns the file that the check waits for, which the supervisor removes once the tree is gone. A file that exists
/// before the start belongs to another service, and stays. The path is absolute, because the supervisor has another
/// working directory, and the test may change its own.
fn awaited_file(target: &Target, place: &Place) -> Option<PathBuf> {
    target.filename.as_ref()?;
    let file = std::path::absolute(place.pidfile.as_ref()?).ok()?;
    file.symlink_metadata().is_err().then_some(file)
}
