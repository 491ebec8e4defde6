//! What the test process and a supervisor say to each other: every message of both ends.
//!
//! A message is a tag and fields in a fixed order, numbers little-endian, bytes behind their
//! length ([`codec`](super::codec)). Both ends are the same binary, so there are no versions. Frames
//! and descriptors are [`wire`](super::wire)'s.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;

use super::codec::{Decoder, Encoder};
use crate::command::Resource;

/// The environment variable that marks every process of a tree with its supervisor's name.
pub(crate) const MARK: &str = "MIRAKURU_UUID";

/// The environment variable by which a supervisor knows that it is one; holds its name.
pub(crate) const ENTRY: &str = "MIRAKURU_SUPERVISOR";

/// The name that a supervisor is run by, so that nobody takes it for the test.
pub(crate) const SUPERVISOR: &str = "mirakuru-supervisor";

/// The first bytes on the socket, behind them the supervisor's name.
pub(crate) const HANDSHAKE: &[u8; 16] = b"mirakuru/handsh1";

/// How long processes may take to vanish once they were killed. Only what the kernel cannot end
/// (uninterruptible sleep), what it may not signal, or what forks faster than it dies gets there.
pub(crate) const KILL_BOUND: Duration = Duration::from_secs(10);

/// How long a tree may take to stop once its test process was killed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Who a service runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// Where a service stands when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// Where the supervisor stands: the test process's own directory is gone.
    Root,
    /// The test process's own: entered with its rights, as by any child of it.
    Inherited(PathBuf),
    /// The one asked for: entered with the service's rights.
    Given(PathBuf),
}

/// One standard stream of a service. What is `Given` or `Captured` travels as a descriptor with
/// the message: the file to use, or the file to capture into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    Null,
    Given,
    Captured,
}

/// A service to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) words: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: Directory,
    pub(crate) identity: Option<Identity>,
    pub(crate) umask: Option<u32>,
    pub(crate) nice: Option<i32>,
    /// Resource, soft and hard limit.
    pub(crate) rlimits: Vec<(Resource, u64, u64)>,
    pub(crate) streams: [Lead; 3],
    /// How to stop it should the test process end without a word.
    pub(crate) farewell: StopPlan,
}

/// How a tree is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopPlan {
    /// Sent first.
    pub(crate) signal: i32,
    /// To the whole tree rather than to the service's process group.
    pub(crate) whole_tree: bool,
    /// Sent next, once `patience` is over; behind it comes SIGKILL.
    pub(crate) kill_signal: i32,
    pub(crate) patience: Duration,
}

impl StopPlan {
    /// The end of a tree that nobody owes anything: after a start that failed, or in a panic.
    pub(crate) const ABRUPT: Self = Self {
        signal: libc::SIGKILL,
        whole_tree: true,
        kill_signal: libc::SIGKILL,
        patience: Duration::ZERO,
    };
}

/// A captured stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What the test process asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A lease on this port, or on a free one; it lasts until it is given back, or the supervisor
    /// ends.
    Lease {
        /// Where the locks are.
        directory: PathBuf,
        port: Option<u16>,
        /// What others are told of who holds it.
        holder: String,
    },
    /// Gives the lease on this port back.
    Release(u16),
    /// A private directory below this one; owned by the service's user.
    MakeDirectory(PathBuf),
    Launch(Box<Launch>),
    /// From now on this process, the runner, is the owner, and others may come by this socket.
    Share {
        runner: u32,
        /// When it started, in the kernel's ticks.
        started: u64,
        socket: PathBuf,
    },
    /// What whoever comes later is told of the service that is ready.
    Describe(Description),
    /// One [`Event::Service`].
    Attach,
    /// A signal to the service's process group.
    Signal(i32),
    Stop(StopPlan),
    /// One [`Event::Output`] as soon as the stream holds more bytes than this.
    WatchOutput(Stream, u64),
    /// One [`Event::Path`] as soon as something changes beside this path, or has since the last
    /// one was told.
    WatchPath(PathBuf),
    /// What changes beside the path is of no interest any more.
    ForgetPath,
    /// The end: clean up and leave.
    Bye,
}

/// What the supervisor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is there; its own process descriptor travels along.
    Hello,
    Directory(Result<PathBuf, Failure>),
    /// The greeting of who came by the socket of a run: the supervisor's name.
    Named(String),
    Shared(Result<(), Failure>),
    /// The answer to [`Request::Attach`]; the captured files travel along.
    Service(Box<Service>),
    /// Another test process has started the service anew.
    Began,
    /// The answer to [`Request::Lease`].
    Leased(Leased),
    Launched(Result<u32, Failure>),
    /// The main process ended, with this code; negative for a signal's number. All that it had
    /// printed is in the files.
    Exited(i32),
    /// No process of the tree is left, though nobody asked for it.
    Empty,
    Output(Stream),
    Path,
    /// Captured output could not be written.
    OutputLost(Failure),
    /// The answer to [`Request::Stop`].
    Gone(Gone),
}

/// How a stop went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The stop signal was not enough.
    pub(crate) forced: bool,
    /// Processes that were alive when the stop began.
    pub(crate) found: u32,
    /// What could not be killed: pid and command. Empty is the proof that all are gone.
    pub(crate) survivors: Vec<(u32, String)>,
}

/// The latest service of a supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// 0 as long as there was none.
    pub(crate) number: u64,
    pub(crate) pid: u32,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) exit: Option<i32>,
    pub(crate) empty: bool,
    /// Which streams are captured.
    pub(crate) captured: [bool; 2],
    /// What the test process that made it ready says of it; nothing until it is.
    pub(crate) description: Option<Description>,
}

/// What only the test process that started a service knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// The command, its placeholders filled in: as one text, and as words.
    pub(crate) command: String,
    pub(crate) words: Vec<String>,
    pub(crate) port: u16,
    /// Named groups of the banner.
    pub(crate) captured: Vec<(String, String)>,
    /// Where each stream goes on after the banner.
    pub(crate) begins: [u64; 2],
}

/// What came of asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leased {
    Granted(u16),
    /// Somebody else has the port: who, for people.
    Elsewhere(String),
    Refused(Failure),
}

/// A system call that failed, and at what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) errno: i32,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to {}: {}", self.step, self.error())
    }
}

impl Failure {
    pub(crate) fn error(&self) -> std::io::Error {
        std::io::Error::from_raw_os_error(self.errno)
    }
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Self::MakeDirectory(parent) => to.tag(0).bytes(parent.as_os_str().as_bytes()),
            Self::Launch(launch) => {
                to.tag(1);
                encode_launch(&mut to, launch);
                &mut to
            }
            Self::Signal(signal) => to.tag(2).i32(*signal),
            Self::Stop(plan) => to.tag(3).plan(*plan),
            Self::WatchOutput(stream, seen) => to.tag(4).tag(*stream as u8).u64(*seen),
            Self::WatchPath(path) => to.tag(5).bytes(path.as_os_str().as_bytes()),
            Self::ForgetPath => to.tag(6),
            Self::Bye => to.tag(7),
            Self::Lease {
                directory,
                port,
                holder,
            } => to
                .tag(8)
                .bytes(directory.as_os_str().as_bytes())
                .u32(port.unwrap_or_default().into())
                .bytes(holder.as_bytes()),
            Self::Release(port) => to.tag(9).u32((*port).into()),
            Self::Share {
                runner,
                started,
                socket,
            } => to
                .tag(10)
                .u32(*runner)
                .u64(*started)
                .bytes(socket.as_os_str().as_bytes()),
            Self::Describe(description) => {
                to.tag(11);
                encode_description(&mut to, description);
                &mut to
            }
            Self::Attach => to.tag(12),
        };
        to.0
    }

    pub(crate) fn decode(frame: &[u8]) -> Option<Self> {
        let mut from = Decoder(frame);
        Some(match from.tag()? {
            0 => Self::MakeDirectory(from.path()?),
            1 => Self::Launch(Box::new(decode_launch(&mut from)?)),
            2 => Self::Signal(from.i32()?),
            3 => Self::Stop(from.plan()?),
            4 => Self::WatchOutput(from.stream()?, from.u64()?),
            5 => Self::WatchPath(from.path()?),
            6 => Self::ForgetPath,
            7 => Self::Bye,
            8 => Self::Lease {
                directory: from.path()?,
                port: Some(from.port()?).filter(|port| *port != 0),
                holder: from.text()?,
            },
            9 => Self::Release(from.port()?),
            10 => Self::Share {
                runner: from.u32()?,
                started: from.u64()?,
                socket: from.path()?,
            },
            11 => Self::Describe(decode_description(&mut from)?),
            12 => Self::Attach,
            _ => return None,
        })
    }
}

impl Event {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Self::Hello => to.tag(0),
            Self::Directory(Ok(path)) => to.tag(1).bytes(path.as_os_str().as_bytes()),
            Self::Directory(Err(failure)) => to.tag(2).failure(failure),
            Self::Launched(Ok(pid)) => to.tag(3).u32(*pid),
            Self::Launched(Err(failure)) => to.tag(4).failure(failure),
            Self::Exited(code) => to.tag(5).i32(*code),
            Self::Empty => to.tag(6),
            Self::Output(stream) => to.tag(7).tag(*stream as u8),
            Self::Path => to.tag(8),
            Self::OutputLost(failure) => to.tag(9).failure(failure),
            Self::Leased(Leased::Granted(port)) => to.tag(11).u32((*port).into()),
            Self::Leased(Leased::Elsewhere(holder)) => to.tag(12).bytes(holder.as_bytes()),
            Self::Leased(Leased::Refused(failure)) => to.tag(13).failure(failure),
            Self::Named(name) => to.tag(14).bytes(name.as_bytes()),
            Self::Shared(Ok(())) => to.tag(15),
            Self::Shared(Err(failure)) => to.tag(16).failure(failure),
            Self::Service(service) => {
                to.tag(17);
                encode_service(&mut to, service);
                &mut to
            }
            Self::Began => to.tag(18),
            Self::Gone(gone) => {
                to.tag(10).flag(gone.forced).u32(gone.found);
                to.list(&gone.survivors, |to, (pid, command)| {
                    to.u32(*pid).bytes(command.as_bytes());
                })
            }
        };
        to.0
    }

    pub(crate) fn decode(frame: &[u8]) -> Option<Self> {
        let mut from = Decoder(frame);
        Some(match from.tag()? {
            0 => Self::Hello,
            1 => Self::Directory(Ok(from.path()?)),
            2 => Self::Directory(Err(from.failure()?)),
            3 => Self::Launched(Ok(from.u32()?)),
            4 => Self::Launched(Err(from.failure()?)),
            5 => Self::Exited(from.i32()?),
            6 => Self::Empty,
            7 => Self::Output(from.stream()?),
            8 => Self::Path,
            9 => Self::OutputLost(from.failure()?),
            11 => Self::Leased(Leased::Granted(from.port()?)),
            12 => Self::Leased(Leased::Elsewhere(from.text()?)),
            13 => Self::Leased(Leased::Refused(from.failure()?)),
            14 => Self::Named(from.text()?),
            15 => Self::Shared(Ok(())),
            16 => Self::Shared(Err(from.failure()?)),
            17 => Self::Service(Box::new(decode_service(&mut from)?)),
            18 => Self::Began,
            10 => Self::Gone(Gone {
                forced: from.flag()?,
                found: from.u32()?,
                survivors: from.list(|from| Some((from.u32()?, from.text()?)))?,
            }),
            _ => return None,
        })
    }
}

fn encode_service(to: &mut Encoder, service: &Service) {
    let Service {
        number,
        pid,
        directory,
        exit,
        empty,
        captured,
        description,
    } = service;
    to.u64(*number).u32(*pid);
    to.option(directory.as_ref(), |to, path| {
        to.bytes(path.as_os_str().as_bytes());
    });
    to.option(exit.as_ref(), |to, code| {
        to.i32(*code);
    });
    to.flag(*empty).flag(captured[0]).flag(captured[1]);
    to.option(description.as_ref(), encode_description);
}

fn encode_description(to: &mut Encoder, description: &Description) {
    let Description {
        command,
        words,
        port,
        captured,
        begins,
    } = description;
    to.bytes(command.as_bytes());
    to.list(words, |to, word| {
        to.bytes(word.as_bytes());
    });
    to.u32((*port).into());
    to.list(captured, |to, (name, value)| {
        to.bytes(name.as_bytes()).bytes(value.as_bytes());
    });
    to.u64(begins[0]).u64(begins[1]);
}

fn decode_description(from: &mut Decoder<'_>) -> Option<Description> {
    Some(Description {
        command: from.text()?,
        words: from.list(Decoder::text)?,
        port: from.port()?,
        captured: from.list(|from| Some((from.text()?, from.text()?)))?,
        begins: [from.u64()?, from.u64()?],
    })
}

fn decode_service(from: &mut Decoder<'_>) -> Option<Service> {
    Some(Service {
        number: from.u64()?,
        pid: from.u32()?,
        directory: from.option(Decoder::path)?,
        exit: from.option(Decoder::i32)?,
        empty: from.flag()?,
        captured: [from.flag()?, from.flag()?],
        description: from.option(decode_description)?,
    })
}

fn encode_launch(to: &mut Encoder, launch: &Launch) {
    // Destructured without `..`, so that a new field cannot be forgotten.
    let Launch {
        words,
        env,
        cwd,
        identity,
        umask,
        nice,
        rlimits,
        streams,
        farewell,
    } = launch;
    to.list(words, |to, word| {
        to.bytes(word.as_bytes());
    });
    to.list(env, |to, (name, value)| {
        to.bytes(name.as_bytes()).bytes(value.as_bytes());
    });
    match cwd {
        Directory::Root => to.tag(0),
        Directory::Inherited(path) => to.tag(1).bytes(path.as_os_str().as_bytes()),
        Directory::Given(path) => to.tag(2).bytes(path.as_os_str().as_bytes()),
    };
    to.option(identity.as_ref(), |to, Identity { uid, gid, groups }| {
        to.u32(*uid).u32(*gid).list(groups, |to, group| {
            to.u32(*group);
        });
    });
    to.option(umask.as_ref(), |to, umask| {
        to.u32(*umask);
    });
    to.option(nice.as_ref(), |to, nice| {
        to.i32(*nice);
    });
    to.list(rlimits, |to, (resource, soft, hard)| {
        to.tag(*resource as u8).u64(*soft).u64(*hard);
    });
    for lead in streams {
        to.tag(*lead as u8);
    }
    to.plan(*farewell);
}

fn decode_launch(from: &mut Decoder<'_>) -> Option<Launch> {
    Some(Launch {
        words: from.list(Decoder::os_string)?,
        env: from.list(|from| Some((from.os_string()?, from.os_string()?)))?,
        cwd: match from.tag()? {
            0 => Directory::Root,
            1 => Directory::Inherited(from.path()?),
            2 => Directory::Given(from.path()?),
            _ => return None,
        },
        identity: from.option(|from| {
            Some(Identity {
                uid: from.u32()?,
                gid: from.u32()?,
                groups: from.list(Decoder::u32)?,
            })
        })?,
        umask: from.option(Decoder::u32)?,
        nice: from.option(Decoder::i32)?,
        rlimits: from.list(|from| {
            Some((
                Resource::from_number(from.tag()?)?,
                from.u64()?,
                from.u64()?,
            ))
        })?,
        streams: [from.lead()?, from.lead()?, from.lead()?],
        farewell: from.plan()?,
    })
}
