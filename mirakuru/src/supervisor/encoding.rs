//! Messages to bytes and back: a tag, and fields in a fixed order. Both ends are the same binary, so there
//! are no versions.

use std::os::unix::ffi::OsStrExt;

use super::codec::{Decoder, Encoder};
use super::protocol::{
    Description, Directory, Event, Gone, Identity, Launch, Leased, Request, Row, Service,
};
use crate::command::Resource;

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
            Self::Ready(at) => to.tag(13).u64(*at),
            Self::Keep => to.tag(14),
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
            13 => Self::Ready(from.u64()?),
            14 => Self::Keep,
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
            Self::Ending => to.tag(21),
            Self::Released(port) => to.tag(19).u32((*port).into()),
            Self::Described => to.tag(20),
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
            21 => Self::Ending,
            19 => Self::Released(from.port()?),
            20 => Self::Described,
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
        keep,
        row,
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
    to.plan(*farewell).flag(*keep);
    to.option(row.as_ref(), encode_row);
}

fn encode_row(to: &mut Encoder, row: &Row) {
    let Row {
        file,
        process,
        program,
        executor,
        command,
        test,
    } = row;
    to.bytes(file.as_os_str().as_bytes()).u32(*process);
    for text in [program, executor, command, test] {
        to.bytes(text.as_bytes());
    }
}

fn decode_row(from: &mut Decoder<'_>) -> Option<Row> {
    Some(Row {
        file: from.path()?,
        process: from.u32()?,
        program: from.text()?,
        executor: from.text()?,
        command: from.text()?,
        test: from.text()?,
    })
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
        keep: from.flag()?,
        row: from.option(decode_row)?,
    })
}
