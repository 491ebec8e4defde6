//! What is told of a service that is there.

use std::os::unix::ffi::OsStrExt;

use crate::protocol::codec::{Decoder, Encoder};
use crate::protocol::{Description, Service};

pub(super) fn encode_service(to: &mut Encoder, service: &Service) {
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

pub(super) fn decode_service(from: &mut Decoder<'_>) -> Option<Service> {
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

pub(super) fn encode_description(to: &mut Encoder, description: &Description) {
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

pub(super) fn decode_description(from: &mut Decoder<'_>) -> Option<Description> {
    Some(Description {
        command: from.text()?,
        words: from.list(Decoder::text)?,
        port: from.port()?,
        captured: from.list(|from| Some((from.text()?, from.text()?)))?,
        begins: [from.u64()?, from.u64()?],
    })
}
