//! Reads and writes files at offsets, and makes the pipes of a service.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};

use super::sockets::Handle;
use crate::sys;

/// Reads the data at an offset, as far as there is any, into this buffer.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    file.read_at(buffer, from)
}

/// Fills this buffer with the data at an offset.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<()> {
    file.read_exact_at(buffer, from)
}

/// Writes as many bytes as there is room for, at an offset.
pub(crate) fn write_at(file: &File, bytes: &[u8], to: u64) -> io::Result<usize> {
    file.write_at(bytes, to)
}

/// Writes all bytes, at an offset.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], to: u64) -> io::Result<()> {
    file.write_all_at(bytes, to)
}

/// Appends a range of a file, as far as the file reaches, to another file. The kernel copies the data.
pub(crate) fn append_range(mut from: &File, range: Range<u64>, mut to: &File) -> io::Result<()> {
    from.seek(SeekFrom::Start(range.start))?;
    let mut range = from.take(range.end.saturating_sub(range.start));
    io::copy(&mut range, &mut to).map(drop)
}

/// The end of a pipe that delivers the output of a service. A read never waits.
pub(crate) type OutputPipe = File;

/// The end of a pipe that leads to the input of a service. A write never waits.
pub(crate) type InputPipe = File;

/// Makes a pipe for an output of a service. Returns the end to read from, and the end of the service.
pub(crate) fn output_pipe() -> io::Result<(OutputPipe, Handle)> {
    let (ours, theirs) = sys::pipe()?;
    Ok((prepared(ours, &theirs)?, theirs))
}

/// Makes a pipe for the input of a service. Returns the end to write to, and the end of the service.
pub(crate) fn input_pipe() -> io::Result<(InputPipe, Handle)> {
    let (theirs, ours) = sys::pipe()?;
    Ok((prepared(ours, &theirs)?, theirs))
}

/// Prepares both ends: ours never waits, and the service may open its end again by name (`/dev/stderr`), whatever user
/// it runs as.
fn prepared(ours: Handle, theirs: &Handle) -> io::Result<File> {
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let _ = fchmod(theirs, Mode::from_bits_truncate(0o666));
    Ok(ours.into())
}
