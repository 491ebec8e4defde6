//! The one start sequence: look through the configuration, see that nothing is there yet, spawn,
//! and wait until ready, dead or overdue. Whatever fails after the spawn, the tree is gone before
//! the caller hears of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::failure::Unready;
use super::session::Run;
use super::stop::ABRUPT;
use super::{Config, Executor};
use crate::command::{EnvChange, Opened, Place, Prepared, prepare, uses};
use crate::error::{ErrorKind, Result};
use crate::output::Capture;
use crate::readiness::probe::{Answer, Probe, Question};
use crate::readiness::{Context, NotReady, Readiness, Situation, Target};
use crate::supervisor::link::{Link, State};
use crate::supervisor::protocol::{Launch, Lead, StopPlan, Stream};
use crate::wait::{Deadline, Pace};

impl<R: Readiness> Executor<R> {
    /// Starts the process and returns once it is ready, or at the first sign that it never will
    /// be. A no-op while it runs; concurrent starts spawn one process.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` for a mistake in what was written, `AlreadyRunning` where something answers
    /// there already, `Spawn` where the program cannot be run, `ProcessExitedWithError` where it
    /// ended with an error before it was ready, `TimeoutExpired` at the timeout, `Io` where the
    /// system refuses a descriptor, a file or a process. On any of them the tree is gone.
    ///
    /// # Panics
    ///
    /// Where a check of your own panics: the panic goes on once the tree is gone.
    pub fn start(&self) -> Result<&Self> {
        if self.session.is_foreign() {
            return Ok(self);
        }
        let _turn = self.session.turn();
        if self.is_up() {
            return Ok(self);
        }
        let deadline = Deadline::after(self.config.timeout);
        self.look_through(deadline)?;
        self.clear_remains();
        let (link, context, prepared) = self.settle(deadline)?;
        self.see_that_nothing_is_there(&context, deadline)?;
        tracing::debug!(
            executor = self.title(),
            command = prepared.display(),
            "starting"
        );
        let run = self.spawn(&link, &context, prepared, deadline)?;
        let ready = self.await_ready(&run, deadline);
        if let Err(unready) = ready {
            // Told after the kill: what it printed last and how it ended belong to the story.
            let ended = run.link.look(|state| (state.exit, state.empty));
            let gone = self.session.bring_down(&run, ABRUPT);
            return Err(self.unready(unready, None, &run, ended, gone.as_ref(), deadline));
        }
        tracing::info!(
            executor = self.title(),
            command = self.command(),
            pid = run.pid,
            port = run.context.port(),
            elapsed_ms = deadline.elapsed().as_millis(),
            "ready"
        );
        Ok(self)
    }

    /// The same by value: a guard that is running.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = SimpleExecutor::new("sleep 60").started()?;
    /// assert!(service.running());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn started(self) -> Result<Self> {
        self.start()?;
        Ok(self)
    }

    /// Whether a start would have nothing to do: the service runs, be it as a daemon whose main
    /// process ended well.
    fn is_up(&self) -> bool {
        let lives = |state: &State| match state.exit {
            None => !state.lost,
            Some(code) => code == 0 && !state.empty && !state.lost,
        };
        self.session.up().is_some_and(|run| run.link.look(lives))
    }

    /// What a service that ended by itself left running.
    fn clear_remains(&self) {
        if let Some(run) = self.session.up() {
            self.session.bring_down(&run, ABRUPT);
        }
    }

    /// Finds what is wrong before anything is spawned, with stand-ins for what is not known yet.
    fn look_through(&self, deadline: Deadline) -> Result<()> {
        let place = self.place(Some(std::env::temp_dir().join("mirakuru-XXXXXX")), 1);
        let looked = place.and_then(|place| {
            prepare(&self.config.command, &self.config.shape, &place)?;
            let context = Context::new(self.situation(place, None, deadline));
            self.readiness.validate(&context)
        });
        looked.map_err(|mistake| {
            self.scene()
                .reason(mistake)
                .into_error(ErrorKind::InvalidConfig)
        })
    }

    /// Settles everything that a start needs: the supervisor, the private directory, the port.
    fn settle(&self, deadline: Deadline) -> Result<(Arc<Link>, Context, Prepared)> {
        let link = self
            .session
            .link(deadline)
            .map_err(|error| self.refused("start a supervisor", error))?;
        let tmpdir = self
            .needs_directory()
            .then(|| self.directory(&link, deadline))
            .transpose()?;
        let port = self.settled_port()?;
        let place = self.place(tmpdir, port);
        let filled = place.and_then(|place| {
            let prepared = prepare(&self.config.command, &self.config.shape, &place)?;
            let context = Context::new(self.situation(place, Some(Arc::clone(&link)), deadline));
            // Once more: lengths depend on what was filled in.
            self.readiness
                .validate(&context)
                .map(|()| (context, prepared))
        });
        let (context, prepared) = filled.map_err(|mistake| {
            self.scene()
                .reason(mistake)
                .into_error(ErrorKind::InvalidConfig)
        })?;
        self.session.prepared(&prepared);
        Ok((link, context, prepared))
    }

    /// The private directory, made now if it was not yet.
    pub(super) fn directory(&self, link: &Link, deadline: Deadline) -> Result<PathBuf> {
        match link.directory(deadline) {
            Some(Ok(directory)) => Ok(directory),
            Some(Err(failure)) => {
                let mut scene = self.scene().reason(failure.to_string());
                scene.advice = Some(format!(
                    "is there room in {}?",
                    std::env::temp_dir().display()
                ));
                scene.source = Some(failure.error());
                Err(scene.into_error(ErrorKind::Io))
            }
            None => Err(self.lost(link)),
        }
    }

    /// The port that the check names, or a free one where it is 0 or only a placeholder; 0 where
    /// there is none.
    pub(super) fn settled_port(&self) -> Result<u16> {
        match self.readiness.target().port {
            Some(0) => {}
            Some(port) => return Ok(port),
            None if self.mentions("port") => {}
            None => return Ok(0),
        }
        self.session
            .port()
            .map_err(|error| self.refused("find a free port", error))
    }

    fn place(&self, tmpdir: Option<PathBuf>, port: u16) -> Result<Place, String> {
        let Target {
            host,
            socket,
            filename,
            ..
        } = self.readiness.target();
        let within = |name: &str| tmpdir.as_ref().map(|tmpdir| tmpdir.join(name));
        let mut place = Place {
            // `{host}` of a check is the default: no other part of it gives a host.
            host: host
                .filter(|host| !host.contains('{'))
                .unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            socket: within("socket"),
            pidfile: within("pid"),
            tmpdir,
        };
        if let Some(socket) = socket {
            place.socket = Some(place.fill_path(&socket)?);
        }
        if let Some(filename) = filename {
            place.pidfile = Some(place.fill_path(&filename)?);
        }
        Ok(place)
    }

    /// A text with its placeholders filled in, before the first start too.
    ///
    /// # Panics
    ///
    /// If the private directory is needed and cannot be made.
    pub(super) fn filled(&self, text: &str) -> String {
        let tmpdir = (self.needs_directory() || self.leads_to_directory(text.as_ref()))
            .then(|| self.tmpdir());
        let place = self.place(tmpdir, self.port());
        let filled = place.and_then(|place| place.fill(text));
        filled.unwrap_or_else(|mistake| {
            panic!(
                "{}",
                self.scene()
                    .reason(mistake)
                    .into_error(ErrorKind::InvalidConfig)
            )
        })
    }

    /// Whether anything that was written stands in the private directory.
    fn needs_directory(&self) -> bool {
        self.texts()
            .iter()
            .any(|text| self.leads_to_directory(text))
    }

    /// Whether this text stands in the private directory. A socket or file of the check's own
    /// stands where it says, unless it says `{socket}` or `{pidfile}` itself.
    fn leads_to_directory(&self, text: &OsStr) -> bool {
        let Target {
            socket, filename, ..
        } = self.readiness.target();
        let lacking = |path: Option<PathBuf>, name: &str| {
            path.is_none_or(|path| uses(path.as_os_str(), name))
        };
        uses(text, "tmpdir")
            || (uses(text, "socket") && lacking(socket, "socket"))
            || (uses(text, "pidfile") && lacking(filename, "pidfile"))
    }

    /// Whether a placeholder stands anywhere in what was written.
    fn mentions(&self, name: &str) -> bool {
        self.texts().iter().any(|text| uses(text, name))
    }

    /// Everything written that may hold placeholders.
    fn texts(&self) -> Vec<OsString> {
        let Config { command, shape, .. } = &self.config;
        let Target {
            url,
            socket,
            filename,
            ..
        } = self.readiness.target();
        let mut texts = vec![OsString::from(command.shell_text())];
        texts.extend(url.map(OsString::from));
        texts.extend(
            [socket, filename, shape.cwd.clone()]
                .into_iter()
                .flatten()
                .map(OsString::from),
        );
        texts.extend(shape.env.iter().filter_map(|change| match change {
            EnvChange::Set(_, value) => Some(value.clone()),
            EnvChange::Remove(_) | EnvChange::Clear => None,
        }));
        texts
    }

    fn see_that_nothing_is_there(&self, context: &Context, deadline: Deadline) -> Result<()> {
        let probe = Probe::new(&self.readiness, context)
            .map_err(|error| self.refused("start a thread", error))?;
        match probe.ask(Question::BeforeStart, context, deadline, || false) {
            Answer::NotReady(_) => Ok(()),
            Answer::Ready => Err(self.already_running(context)),
            Answer::Overdue => Err(self.overdue_before_start(context, deadline)),
            Answer::Panicked(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn spawn(
        &self,
        link: &Arc<Link>,
        before: &Context,
        prepared: Prepared,
        deadline: Deadline,
    ) -> Result<Run> {
        let (order, fds, captures) = self
            .order(link, prepared)
            .map_err(|error| self.refused("prepare its streams", error))?;
        let [stdout, stderr] = captures;
        for capture in [&stdout, &stderr].into_iter().flatten() {
            capture.attach(link);
        }
        let plan = order.farewell;
        let place = before.place().clone();
        let pid = match link.launch(order, &fds, deadline) {
            Some(Ok(pid)) => pid,
            Some(Err(failure)) => return Err(self.not_spawned(&failure)),
            None => return Err(self.no_answer_to_launch(link, deadline)),
        };
        let context = Context::new(Situation {
            pid: Some(pid),
            stdout,
            stderr,
            ..self.situation(place.clone(), Some(Arc::clone(link)), deadline)
        });
        let pid_file = self.readiness.target().filename.and(place.pidfile);
        let run = Run {
            link: Arc::clone(link),
            pid,
            context,
            plan,
            pid_file,
            up: true,
        };
        self.session.began(run.clone());
        Ok(run)
    }

    fn situation(&self, place: Place, link: Option<Arc<Link>>, deadline: Deadline) -> Situation {
        static STARTS: AtomicU64 = AtomicU64::new(1);
        Situation {
            start: STARTS.fetch_add(1, Ordering::Relaxed),
            place,
            command: self.command().into(),
            link,
            pid: None,
            stdout: None,
            stderr: None,
            deadline,
            captured: Mutex::new(BTreeMap::new()),
        }
    }

    /// The message for the supervisor, the descriptors that travel with it, and this side of what
    /// is captured.
    fn order(
        &self,
        link: &Link,
        prepared: Prepared,
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
                    let capture = Capture::new(stream, self.config.timeout)?;
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
            env,
            cwd: prepared.cwd,
            identity: prepared.identity,
            umask: shape.umask,
            nice: shape.nice,
            rlimits: shape.rlimits.clone(),
            streams,
            farewell: self.stop_plan(self.config.stop_signal),
        };
        Ok((order, fds, captures))
    }

    /// The stop that begins with this signal.
    pub(super) fn stop_plan(&self, signal: crate::Signal) -> StopPlan {
        StopPlan {
            signal: signal.as_raw(),
            whole_tree: false,
            kill_signal: self.config.kill_signal.as_raw(),
            patience: self.config.stop_timeout,
        }
    }

    fn await_ready(&self, run: &Run, deadline: Deadline) -> Result<(), Unready> {
        let context = &run.context;
        let manner = self.readiness.manner(context);
        if let Some(path) = manner.on_path {
            run.link.watch_path(path);
        }
        let probe = Probe::new(&self.readiness, context).map_err(Unready::Refused)?;
        // An exit with 0 is tolerated: it may have daemonized.
        let died = |state: &State| state.exit.filter(|code| *code != 0);
        let in_vain = || run.link.look(|state| state.lost || died(state).is_some());
        let mut first = true;
        let ask = || {
            let answer = probe.ask(Question::AfterStart, context, deadline, in_vain);
            match answer {
                // What answered is somebody else. The first look comes with the spawn, when
                // nothing can have ended.
                Answer::Ready if !std::mem::take(&mut first) && in_vain() => {
                    Answer::NotReady(NotReady::new("the check passed, but not by this process"))
                }
                answer => answer,
            }
        };
        self.wait_until(run, deadline, manner.on_output, died, ask)?;
        Ok(())
    }

    /// The one loop: look whether it ended, ask, and wait for news or the next look. An end is
    /// noticed before the asking, so that the asking after it is the last.
    pub(super) fn wait_until(
        &self,
        run: &Run,
        deadline: Deadline,
        on_output: bool,
        ended: impl Fn(&State) -> Option<i32>,
        mut ask: impl FnMut() -> Answer,
    ) -> Result<(), Unready> {
        let link = &run.link;
        let mut pace = Pace::new(self.config.poll_interval);
        let mut last_check = None;
        loop {
            let before = link.look(|state| (ended(state), News::of(state)));
            if on_output {
                watch_output(run);
            }
            // What is asked when hardly any time is left fails for want of time: what failed before
            // says more.
            let hurried = deadline.remaining() < Pace::LONGEST * 10;
            let failed = match ask() {
                Answer::Ready => return Ok(()),
                Answer::NotReady(why) if !hurried => Some(why.to_string()),
                Answer::NotReady(why) => last_check.take().or(Some(why.to_string())),
                Answer::Overdue => last_check
                    .take()
                    .or_else(|| Some("the check did not answer in time".to_owned())),
                Answer::Panicked(panic) => return Err(Unready::Panicked(panic)),
            };
            last_check = failed;
            if link.look(|state| state.lost) {
                return Err(Unready::Lost);
            }
            if before.0.is_some() {
                return Err(Unready::Ended { last_check });
            }
            if deadline.has_passed() {
                return Err(Unready::Overdue { last_check });
            }
            let next_look = deadline.or_sooner(pace.interval());
            let woken = link.wait(next_look, |state| {
                (ended(state).is_some() || News::of(state) != before.1)
                    .then_some(state.path_news != before.1.path)
            });
            if woken == Some(true) {
                pace.begin_again();
            }
        }
    }
}

/// Standard output and standard error, where they are captured.
type Captures = [Option<Arc<Capture>>; 2];

/// What may make a check come true, counted.
#[derive(Clone, Copy, PartialEq, Eq)]
struct News {
    output: [u64; 2],
    path: u64,
    exited: bool,
}

impl News {
    fn of(state: &State) -> Self {
        Self {
            output: [Stream::Stdout, Stream::Stderr].map(|stream| state.output_news(stream)),
            path: state.path_news,
            exited: state.exit.is_some(),
        }
    }
}

/// Before the look, so that what is printed during it is news.
fn watch_output(run: &Run) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        if let Some(capture) = run.context.captured_stream(stream) {
            run.link.watch_output(stream, capture.len());
        }
    }
}
