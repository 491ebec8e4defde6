//! Defines every message between a test process and a supervisor. [`order`](super::order) defines the order for a
//! service.
//!
//! A test process sends a [`Call`], and a supervisor sends a [`Message`]. [`codec`](super::codec) derives their bytes
//! from these definitions, and [`frames`](super::frames) carries the bytes and handles.
//!
//! A request has a number if the caller waits for a reply, and the reply has the same number. A reply whose caller has
//! given up is dropped. Replies and events arrive in the order in which they were sent. `Launch` and `Ready` carry what
//! the supervisor needs to describe the service to a test process that attaches later.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::codec::{Wire, wire};
use super::order::{Exec, Launch, StopPlan};
use crate::sys;

/// The environment variable that marks every process of a tree with its supervisor's name.
pub(crate) const MARK: &str = "MIRAKURU_UUID";

/// The environment variable that makes a process a supervisor; its value is the supervisor's name.
pub(crate) const ENTRY: &str = "MIRAKURU_SUPERVISOR";

/// The program name of a supervisor, so that users do not mistake it for the test.
pub(crate) const SUPERVISOR: &str = "mirakuru-supervisor";

/// The first bytes on the socket. The supervisor's name follows them.
pub(crate) const HANDSHAKE: &[u8; 16] = b"mirakuru/handsh1";

/// Returns whether a supervisor can have this name. The names of its files begin with a part of it.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

wire! {
/// A captured stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A message from a test process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The number that the reply repeats. `None` if the test process does not wait for a reply; none is sent then.
    pub(crate) number: Option<u64>,
    pub(crate) request: Request,
}

/// A request of a test process to its supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Leases this port, or a free one, until a release or the end of the supervisor. Replied to with `Leased`.
    Lease {
        /// The directory of the locks.
        directory: PathBuf,
        port: Option<u16>,
        /// A human-readable name of this executor, for others that want the port.
        holder: String,
    },
    /// Ends the lease on this port.
    Release(port: u16),
    /// Makes a private directory below this one, owned by the service's user. Replied to with `Directory`.
    MakeDirectory(parent: PathBuf),
    /// Starts a service. Replied to with `Launched`.
    Launch(launch: Box<Launch>),
    /// Runs a command in the tree of the service. Its output goes to the handles that travel with the request. Replied
    /// to with `Ran`, after the command has ended.
    Exec(exec: Box<Exec>),
    /// Makes the runner the owner of the supervisor, and lets other test processes connect to this socket. Replied to
    /// with `Shared`.
    Share {
        runner: u32,
        /// The start time of the runner, in the kernel's ticks.
        started: u64,
        socket: PathBuf,
    },
    /// Reports that the service is ready, to every other test process.
    Ready(ready: Ready),
    /// Requests the description of the service. Replied to with `Service`.
    Attach,
    /// Writes all output printed so far into the captured files.
    Drain,
    /// Sends a signal to the main process, or to its process group.
    Signal {
        signal: i32,
        to_group: bool,
    },
    /// Requests the writing end of this service's input. It travels with the reply, if it is open.
    Input(service: u64),
    /// Closes the writing end of the input.
    CloseInput,
    /// Stops the tree, and then ends the lease on this port. Replied to with `Gone`.
    Stop {
        plan: StopPlan,
        release: Option<u16>,
    },
    /// Requests one [`Event::Output`] as soon as the stream holds more bytes than this.
    WatchOutput(stream: Stream, seen: u64),
    /// Requests one [`Event::Path`] as soon as a file in the directory of this path changes, or at once if one has
    /// changed since the last event.
    WatchPath(path: PathBuf),
    /// Ends the watch of a path.
    ForgetPath,
    /// Keeps the output of the service and its private directory.
    Keep,
    /// Ends the supervisor, after it has cleaned up.
    Bye,
}

/// A message from a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The reply to the call of this number.
    Reply(number: u64, reply: Reply),
    Event(event: Event),
}

/// A supervisor's reply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The request was carried out, and there is nothing to report.
    Done,
    Directory(made: Result<PathBuf, Failure>),
    Leased(leased: Leased),
    Shared(shared: Result<(), Failure>),
    /// The pid of the service.
    Launched(launched: Result<u32, Failure>),
    /// The exit code of the command; a signal's number is negative.
    Ran(ran: Result<i32, Failure>),
    /// The description of the service. The captured files travel with it.
    Service(service: Box<Service>),
    Gone(gone: Gone),
}

/// A report that a supervisor sends without a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The supervisor's name, for a test process that connected to the socket of a run.
    Named(name: String),
    /// Another test process has started the service again.
    Began,
    /// Another test process stops the service.
    Ending,
    /// The main process ended with this code; a signal's number is negative. All its output is in the files.
    Exited(code: i32),
    /// No process of the tree is left, though this test process did not stop it.
    Empty,
    Output(stream: Stream),
    /// No process has the writing end of this stream any more.
    OutputClosed(stream: Stream),
    Path,
    /// The service sent a notice about itself.
    Notified(notice: Notice),
    /// Captured output could not be written.
    OutputLost(failure: Failure),
}

/// A message that a service sends about itself by `sd_notify(3)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) ready: bool,
    pub(crate) status: Option<String>,
    /// The start may take this long from now.
    pub(crate) extension: Option<Duration>,
    /// The pid of the main process.
    pub(crate) main: Option<u32>,
}

/// The outcome of a stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The stop signal was not enough.
    pub(crate) forced: bool,
    /// The processes that could not be killed: pid and command. An empty list proves that all are gone.
    pub(crate) survivors: Vec<(u32, String)>,
}

/// The latest service of a supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// The number of the service; 0 if there was none.
    pub(crate) number: u64,
    pub(crate) pid: u32,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) exit: Option<i32>,
    pub(crate) empty: bool,
    /// A test process is stopping the service.
    pub(crate) ending: bool,
    /// For each stream, whether it is captured.
    pub(crate) captured: [bool; 2],
    /// The command as one text and as words, with its placeholders filled in.
    pub(crate) command: String,
    pub(crate) words: Vec<OsString>,
    pub(crate) ports: Vec<(String, u16)>,
    /// The details of its readiness; `None` until the service is ready.
    pub(crate) ready: Option<Ready>,
}

/// The facts about a service's readiness that only the test process that started it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The time at which it was ready, by the monotonic clock.
    pub(crate) at: Duration,
    /// Named groups of the banner.
    pub(crate) groups: Vec<(String, String)>,
    /// The position in each stream after the banner.
    pub(crate) begins: [u64; 2],
}

/// The outcome of a request for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leased {
    Granted(port: u16),
    /// Another executor has the port; the human-readable name of its holder.
    Elsewhere(holder: String),
    Refused(failure: Failure),
}

/// A system call that failed: the step, and the error's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) code: i32,
}
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to {}: {}", self.step, self.error())
    }
}

impl Failure {
    pub(crate) fn at(step: &str, error: &std::io::Error) -> Self {
        Self {
            step: step.to_owned(),
            // Never 0, which would read as success.
            code: error.raw_os_error().unwrap_or(sys::INVALID),
        }
    }

    pub(crate) fn error(&self) -> std::io::Error {
        std::io::Error::from_raw_os_error(self.code)
    }
}
