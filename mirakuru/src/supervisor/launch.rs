//! Starts a process from an order: opens its streams and describes it to the system.

use std::fs::File;
use std::io;

use super::drain::Drain;
use crate::protocol::{Directory, Failure, Launch, StreamTarget};
use crate::sys::{self, Handle, Spawn, Stuck, Tree};

/// A started process: the tree of a service, or the command of a check.
pub(super) struct Launched<T> {
    pub(super) started: T,
    /// The writing end of its standard input, if the supervisor holds it.
    pub(super) input: Option<Handle>,
    /// The drains of its standard output and standard error, if they are captured.
    pub(super) drains: [Option<Drain>; 2],
}

/// Starts the service. `streams` came with the order. `oom_score` is the score that a service should have, if the
/// supervisor has another.
pub(super) fn launch(
    order: &Launch,
    streams: Vec<Handle>,
    oom_score: Option<&str>,
) -> Result<Launched<Tree>, Failure> {
    prepare(order, streams, oom_score, Tree::start)
}

/// Opens the streams, describes the process to the system, and starts it.
pub(super) fn prepare<T>(
    order: &Launch,
    streams: Vec<Handle>,
    oom_score: Option<&str>,
    start: impl FnOnce(&Spawn<'_>) -> Result<T, Stuck>,
) -> Result<Launched<T>, Failure> {
    let mut given = streams.into_iter();
    let mut held = None;
    let [(input, _), (output, out), (error, err)] = {
        let mut open = |index| open_stream(order.streams[index], index == 0, &mut given, &mut held);
        [open(0)?, open(1)?, open(2)?]
    };
    let unfit = |error: io::Error| Failure::at("run the program", &error);
    let streams = [input, output, error];
    let mut spawn = Spawn::new(&order.words, &order.env, &streams).map_err(unfit)?;
    spawn.oom_score = oom_score;
    spawn.limits = &order.rlimits;
    spawn.nice = order.nice;
    spawn.umask = order.umask;
    spawn.busy = order.busy;
    let described = match &order.cwd {
        Directory::Root => Ok(()),
        Directory::Inherited(here) => spawn.inherit(here),
        Directory::Given(given) => spawn.enter(given),
    };
    described.map_err(|error| Failure::at("enter the working directory", &error))?;
    if let Some(identity) = &order.identity {
        spawn.run_as(identity.user, identity.group, &identity.groups);
    }
    let started = start(&spawn).map_err(|stuck| Failure {
        step: named(&stuck.step, &order.cwd),
        code: stuck.code,
    })?;
    Ok(Launched {
        started,
        input: held,
        drains: [out, err],
    })
}

/// Returns the step, with the path of the directory if that could not be entered.
fn named(step: &str, cwd: &Directory) -> String {
    match cwd {
        Directory::Inherited(path) | Directory::Given(path) if step.starts_with("enter ") => {
            format!("{step} {}", path.display())
        }
        _ => step.to_owned(),
    }
}

/// Opens one stream in the supervisor, as the new process may be at its limit of open files. Stores the writing end of
/// a piped input in `held`.
fn open_stream(
    target: StreamTarget,
    is_input: bool,
    given: &mut impl Iterator<Item = Handle>,
    held: &mut Option<Handle>,
) -> Result<(Handle, Option<Drain>), Failure> {
    let mut given = || {
        let missing = || Failure::at("receive its streams", &io::ErrorKind::InvalidData.into());
        given.next().ok_or_else(missing)
    };
    match target {
        StreamTarget::Null => {
            let null = File::options()
                .read(is_input)
                .write(!is_input)
                .open(sys::NULL_DEVICE)
                .map_err(|error| Failure::at(&format!("open {}", sys::NULL_DEVICE), &error))?;
            Ok((null.into(), None))
        }
        StreamTarget::Given => Ok((given()?, None)),
        StreamTarget::Captured => {
            let (reader, writer) = sys::output_pipe()
                .map_err(|error| Failure::at("make a pipe for its output", &error))?;
            Ok((writer, Some(Drain::new(reader, given()?))))
        }
        StreamTarget::OpenPipe => {
            let (writer, reader) = sys::input_pipe()
                .map_err(|error| Failure::at("make a pipe for its input", &error))?;
            *held = Some(writer.into());
            Ok((reader, None))
        }
    }
}
