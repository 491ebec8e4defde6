//! Messages to bytes and back: a tag, and fields in a fixed order. Both ends are the same binary, so there
//! are no versions.

mod launch;
mod service;

use std::os::unix::ffi::OsStrExt;

use super::codec::{Decoder, Encoder};
use super::messages::{Event, Gone, Leased, Request};
use launch::{decode_launch, encode_launch};
use service::{decode_description, decode_service, encode_description, encode_service};

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
            Self::Drain(number) => to.tag(15).u64(*number),
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
            15 => Self::Drain(from.u64()?),
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
            Self::Leased(Leased::Granted(port)) => to.tag(10).u32((*port).into()),
            Self::Leased(Leased::Elsewhere(holder)) => to.tag(11).bytes(holder.as_bytes()),
            Self::Leased(Leased::Refused(failure)) => to.tag(12).failure(failure),
            Self::Named(name) => to.tag(13).bytes(name.as_bytes()),
            Self::Shared(Ok(())) => to.tag(14),
            Self::Shared(Err(failure)) => to.tag(15).failure(failure),
            Self::Service(service) => {
                to.tag(16);
                encode_service(&mut to, service);
                &mut to
            }
            Self::Began => to.tag(17),
            Self::Ending => to.tag(18),
            Self::Released(port) => to.tag(19).u32((*port).into()),
            Self::Described => to.tag(20),
            Self::Gone(gone) => {
                to.tag(21).flag(gone.forced).u32(gone.found);
                to.list(&gone.survivors, |to, (pid, command)| {
                    to.u32(*pid).bytes(command.as_bytes());
                })
            }
            Self::Drained(number) => to.tag(22).u64(*number),
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
            10 => Self::Leased(Leased::Granted(from.port()?)),
            11 => Self::Leased(Leased::Elsewhere(from.text()?)),
            12 => Self::Leased(Leased::Refused(from.failure()?)),
            13 => Self::Named(from.text()?),
            14 => Self::Shared(Ok(())),
            15 => Self::Shared(Err(from.failure()?)),
            16 => Self::Service(Box::new(decode_service(&mut from)?)),
            17 => Self::Began,
            18 => Self::Ending,
            19 => Self::Released(from.port()?),
            20 => Self::Described,
            21 => Self::Gone(Gone {
                forced: from.flag()?,
                found: from.u32()?,
                survivors: from.list(|from| Some((from.u32()?, from.text()?)))?,
            }),
            22 => Self::Drained(from.u64()?),
            _ => return None,
        })
    }
}
