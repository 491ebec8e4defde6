//! What is told of a service that is to be started.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::limits::Resource;
use crate::protocol::codec::{Decoder, Encoder};
use crate::protocol::{Directory, Identity, Launch, Row};

pub(super) fn encode_launch(to: &mut Encoder, launch: &Launch) {
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
        busy,
        pid_file,
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
    to.u64(busy.as_micros().try_into().unwrap_or(u64::MAX));
    to.option(pid_file.as_ref(), |to, path| {
        to.bytes(path.as_os_str().as_bytes());
    });
    to.option(row.as_ref(), encode_row);
}

pub(super) fn decode_launch(from: &mut Decoder<'_>) -> Option<Launch> {
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
        busy: Duration::from_micros(from.u64()?),
        pid_file: from.option(Decoder::path)?,
        row: from.option(decode_row)?,
    })
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
