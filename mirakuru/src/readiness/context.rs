//! The context of a check: the process that it checks, and the start that waits for it.
//!
//! A check gets the host, the port, the private directory, the output and the time left. The checks of this crate
//! also use the supervisor's link, fill in placeholders, and note the groups and the listeners that they find.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::command::{self, Template};
use crate::link::{Link, State};
use crate::locks::lock_unless_lost;
use crate::output::{Capture, LogFile, Output};
use crate::protocol::{Identity, Stream};
use crate::sys::{self, ListenerOwner, Pid};
use crate::wait::Deadline;

use super::Target;
use super::listener::Place;

/// The started process, as a readiness check sees it. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub(crate) start: Arc<Start>,
}

/// One start, as its checks see it.
pub(crate) struct Start {
    /// A number that is unique among the starts of this process.
    pub(crate) number: u64,
    pub(crate) place: command::Place,
    pub(crate) command: Arc<str>,
    /// The user of the service, if the test runs as another one.
    pub(crate) user: Option<Identity>,
    /// `None` while the configuration is validated.
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) pid: Option<u32>,
    pub(crate) stdout: Option<Arc<Capture>>,
    pub(crate) stderr: Option<Arc<Capture>>,
    /// Whether each stream is captured, which is known before the process is spawned.
    pub(crate) captures: [bool; 2],
    pub(crate) log: Option<Arc<LogFile>>,
    pub(crate) deadline: Deadline,
    /// Named groups of the banner.
    pub(crate) captured: Mutex<BTreeMap<String, String>>,
    /// The process that listened at each place when a check last looked there.
    pub(crate) listeners: Mutex<BTreeMap<Place, Pid>>,
}

/// The key in [`Start::captured`] of the address that answered. No group of a banner has an empty name.
const ANSWERED: &str = "";

impl Context {
    pub(crate) fn new(start: Start) -> Self {
        let start = Arc::new(start);
        Self { start }
    }

    /// Returns the host that is checked, by default `127.0.0.1`.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::when("sleep 60", |cx: &Context| cx.host() == "127.0.0.1").started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn host(&self) -> &str {
        &self.start.place.host
    }

    /// Returns the port that the process reported in its banner, or else the port that is checked. Returns 0 if there
    /// is none.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::when("sh -c 'echo {port}; exec sleep 60'", |cx: &Context| {
    ///     cx.output().text() == format!("{}\n", cx.port())
    /// });
    /// service.start()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn port(&self) -> u16 {
        self.reported_port().unwrap_or(self.start.place.port())
    }

    /// Returns the free port that `{port:NAME}` stands for.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo monitor: {port:monitor}; exec sleep 60'";
    /// let is_up = |cx: &Context| cx.output().text().contains(&cx.port_named("monitor").to_string());
    /// let service = Executor::when(command, is_up).started()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if neither the command nor another string of the executor contains this placeholder.
    #[must_use]
    pub fn port_named(&self, name: &str) -> u16 {
        let port = self.start.place.ports.get(name);
        *port.unwrap_or_else(|| {
            panic!(
                "neither the command nor another string of the executor contains {{port:{name}}}"
            )
        })
    }

    /// Returns the port that a check with this target asks.
    pub(crate) fn port_of(&self, target: &Target) -> u16 {
        match &target.port_name {
            Some(name) => self
                .start
                .place
                .ports
                .get(name)
                .copied()
                .unwrap_or_default(),
            None => self.port(),
        }
    }

    /// Returns the values of the placeholders, with the port that the process reported.
    pub(crate) fn place(&self) -> command::Place {
        let mut place = self.start.place.clone();
        if let Some(port) = self.reported_port() {
            place.ports.insert(String::new(), port);
        }
        place
    }

    /// Returns the port that the process reported in its banner.
    pub(crate) fn reported_port(&self) -> Option<u16> {
        self.captured("port")?
            .parse()
            .ok()
            .filter(|port| *port != 0)
    }

    /// Returns the private directory of the executor. The first call creates it.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let is_up = |cx: &Context| cx.tmpdir().join("state").exists();
    /// let service = Executor::when("sh -c 'echo up > {tmpdir}/state; exec sleep 60'", is_up).started()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be created.
    #[must_use]
    pub fn tmpdir(&self) -> PathBuf {
        let link = self.start.link.as_ref();
        // While the configuration is validated, there is a path, but no directory yet.
        if let (None, Some(directory)) = (link, &self.start.place.tmpdir) {
            return directory.clone();
        }
        match link.and_then(|link| link.directory(self.start.deadline)) {
            Some(Ok(directory)) => directory,
            Some(Err(failure)) => panic!("{failure}"),
            None => panic!("no temporary directory: the supervisor has ended"),
        }
    }

    /// Returns the pid of the main process, or `None` before it is spawned.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::when("sleep 60", |cx: &Context| cx.pid().is_some()).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.start.pid
    }

    /// Returns the captured standard output.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo one; echo two; exec sleep 60'";
    /// let service = Executor::when(command, |cx: &Context| cx.output().text().lines().count() == 2).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn output(&self) -> Output {
        self.output_of(Stream::Stdout)
    }

    /// Returns the captured standard error.
    ///
    /// ```
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let command = "sh -c 'echo up >&2; exec sleep 60'";
    /// let service = Executor::when(command, |cx: &Context| cx.err_output().tail(1) == "up").started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn err_output(&self) -> Output {
        self.output_of(Stream::Stderr)
    }

    pub(crate) fn output_of(&self, stream: Stream) -> Output {
        let output = Output::new(self.captured_stream(stream).cloned(), &self.start.command);
        output.with_log(self.start.log.clone())
    }

    /// Returns the time until the deadline of the start. A check must not take longer.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mirakuru::{Executor, readiness::Context};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let limit = Duration::from_secs(30);
    /// let service = Executor::when("sleep 60", move |cx: &Context| cx.remaining() <= limit).timeout(limit).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let link = self.start.link.as_ref();
        // The service may have asked for more time.
        let extended = link.and_then(|link| link.current(|state| state.extended));
        let remaining = self.start.deadline.remaining();
        extended.map_or(remaining, |extended| remaining.max(extended.remaining()))
    }

    /// Returns how long one attempt may wait for a peer that may never answer: as long as the start has taken so far,
    /// at least one second, and never beyond the deadline.
    pub(crate) fn patience(&self) -> Duration {
        let elapsed = self.start.deadline.elapsed();
        elapsed.max(Duration::from_secs(1)).min(self.remaining())
    }

    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let filled = self.fill_path(Path::new(text))?;
        Ok(filled.to_string_lossy().into_owned())
    }

    pub(crate) fn fill_path(&self, path: &Path) -> Result<PathBuf, String> {
        let place = &self.start.place;
        let filled = place.fill_with_port(&Template::parse(path), self.port());
        filled.map(Into::into)
    }

    pub(crate) fn captured(&self, name: &str) -> Option<String> {
        self.groups()?.get(name).cloned()
    }

    /// Returns the named groups, or `None` in a forked child if a thread of the parent had locked them at the fork.
    fn groups(&self) -> Option<MutexGuard<'_, BTreeMap<String, String>>> {
        let link = self.start.link.as_ref();
        lock_unless_lost(
            &self.start.captured,
            link.is_some_and(|link| link.is_foreign()),
        )
    }

    pub(crate) fn all_captured(&self) -> Vec<(String, String)> {
        let groups = self.groups();
        groups.iter().flat_map(|groups| (*groups).clone()).collect()
    }

    pub(crate) fn capture(&self, groups: BTreeMap<String, String>) {
        if let Some(mut captured) = self.groups() {
            captured.extend(groups);
        }
    }

    pub(crate) fn captured_stream(&self, stream: Stream) -> Option<&Arc<Capture>> {
        match stream {
            Stream::Stdout => self.start.stdout.as_ref(),
            Stream::Stderr => self.start.stderr.as_ref(),
        }
    }

    /// Notes the address that answered, for clients of a host with several addresses.
    pub(super) fn note_answer(&self, address: SocketAddr) {
        self.capture([(ANSWERED.to_owned(), address.ip().to_string())].into());
    }

    /// Returns the address that answered, without its port.
    pub(crate) fn answered(&self) -> Option<String> {
        self.captured(ANSWERED)
    }

    pub(super) fn note_listener(&self, place: Place, holder: Pid) {
        let mut listeners = self.start.listeners.lock();
        let listeners = listeners.as_mut().unwrap_or_else(|lost| lost.get_mut());
        listeners.insert(place, holder);
    }

    /// Returns whether a process that listened has ended, and no other process of the tree listens in its place.
    pub(crate) fn has_lost_listener(&self) -> bool {
        let Some((main, supervisor)) = self.tree() else {
            return false;
        };
        let listeners = self.start.listeners.lock();
        let listeners = listeners.unwrap_or_else(PoisonError::into_inner).clone();
        let mut ended = listeners
            .into_iter()
            .filter(|(_, holder)| sys::has_ended(*holder));
        ended.any(|(place, _)| match &place {
            Place::Tcp(address) => match sys::owner_of_listener(*address, main, supervisor) {
                ListenerOwner::Ours(holder) => {
                    self.note_listener(place, holder);
                    false
                }
                ListenerOwner::Unknown => false,
                ListenerOwner::Unclaimed | ListenerOwner::Stranger(_) => true,
            },
            Place::Path(path) => sys::connect_within(path, self.patience()).is_err(),
        })
    }

    /// Returns whether a process may still print to this stream.
    pub(super) fn is_open(&self, stream: Stream) -> bool {
        let link = self.start.link.as_ref();
        let is_open = |state: &State| !state.output_closed[stream as usize];
        self.captured_stream(stream).is_some() && link.is_some_and(|link| link.current(is_open))
    }

    pub(crate) fn log_file(&self) -> Option<&LogFile> {
        self.start.log.as_deref()
    }

    /// Returns the main process, and the supervisor that all processes of the tree descend from.
    pub(crate) fn tree(&self) -> Option<(Pid, Pid)> {
        let supervisor = self.start.link.as_ref()?.supervisor();
        Some((
            sys::process_of(self.start.pid?)?,
            sys::process_of(supervisor)?,
        ))
    }

    /// Returns whether the main process exited with code 0.
    pub(super) fn has_exited_with_success(&self) -> bool {
        let link = self.start.link.as_ref();
        link.is_some_and(|link| link.current(|state| state.exit == Some(0)))
    }

    /// Returns whether the main process has ended, so that it prints nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        let link = self.start.link.as_ref();
        link.is_none_or(|link| link.current(State::has_ended))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("host", &self.host())
            .field("port", &self.port())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
