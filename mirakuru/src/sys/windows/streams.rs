//! Reads and writes files at offsets, and makes the pipes of a service.
#![expect(unsafe_code, reason = "calls of the system")]

use std::cell::UnsafeCell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_IO_INCOMPLETE, ERROR_IO_PENDING,
    ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
    ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{
    CancelIoEx, DeviceIoControl, GetOverlappedResult, OVERLAPPED,
};
use windows_sys::Win32::System::Ioctl::{
    FILE_ZERO_DATA_INFORMATION, FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_NOWAIT, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_WAIT,
};

use super::bell::{await_earlier_messages, ring_at_reads_of};
use super::names::secret;
use super::process::{code_of, number, succeeded};
use super::sockets::Handle;

/// Reads from an offset into this buffer, as much as the file has there.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    file.seek_read(buffer, from)
}

/// Fills this buffer from an offset of the file.
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut from: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, from)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                from += read as u64;
            }
        }
    }
    Ok(())
}

/// Writes as many bytes as possible at an offset.
pub(crate) fn write_at(file: &File, bytes: &[u8], to: u64) -> io::Result<usize> {
    file.seek_write(bytes, to)
}

/// Writes all bytes at an offset.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut to: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, to)?;
        bytes = &bytes[written..];
        to += written as u64;
    }
    Ok(())
}

/// Appends a range of one file, as far as the file reaches, to another file. The positions of the files stay for other
/// users of the handles.
pub(crate) fn append_range(from: &File, range: Range<u64>, to: &File) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let (mut place, mut end) = (range.start, to.metadata()?.len());
    while place < range.end {
        let most = usize::try_from(range.end - place).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = from.seek_read(&mut buffer[..most], place)?;
        if read == 0 {
            break;
        }
        write_all_at(to, &buffer[..read], end)?;
        place += read as u64;
        end += read as u64;
    }
    Ok(())
}

/// Releases the disk space of a range of a file. The range then reads as zeros.
///
/// # Errors
///
/// The file system does not support sparse files.
pub(crate) fn forget_range(file: &File, range: Range<u64>) -> io::Result<()> {
    control(file, FSCTL_SET_SPARSE, &())?;
    let offset = |at: u64| i64::try_from(at).map_err(io::Error::other);
    let zeros = FILE_ZERO_DATA_INFORMATION {
        FileOffset: offset(range.start)?,
        BeyondFinalZero: offset(range.end)?,
    };
    control(file, FSCTL_SET_ZERO_DATA, &zeros)
}

fn control<T>(file: &File, code: u32, with: &T) -> io::Result<()> {
    let length = u32::try_from(size_of::<T>()).unwrap_or_default();
    let (input, mut written) = ((&raw const *with).cast(), 0);
    // SAFETY: the call reads as many bytes as the structure has, and writes one number.
    succeeded(unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input,
            length,
            null_mut(),
            0,
            &raw mut written,
            null_mut(),
        )
    })
}

/// The buffer size of a pipe. A service whose output is not read blocks after that many bytes.
const ROOM: u32 = 64 * 1024;

/// The read end of a pipe for the output of a service. A call never waits: one overlapped read is always pending, and
/// its end rings the bell.
pub(crate) struct OutputPipe {
    pipe: OwnedHandle,
    reading: Reading,
}

struct Reading {
    /// The system writes to this and to the buffer while a read is pending, so they must not move.
    overlapped: Box<UnsafeCell<OVERLAPPED>>,
    buffer: Vec<u8>,
    is_under_way: bool,
    /// The bytes that have arrived and were not taken.
    arrived: Range<usize>,
}

impl Reading {
    /// Begins a read, unless one is pending.
    fn begin(&mut self, pipe: &OwnedHandle) -> io::Result<()> {
        if self.is_under_way {
            return Ok(());
        }
        *self.overlapped.get_mut() = OVERLAPPED::default();
        let (buffer, overlapped) = (self.buffer.as_mut_ptr(), self.overlapped.get());
        // SAFETY: the buffer and the structure stay where they are until the read has ended.
        let read = unsafe { ReadFile(pipe.as_raw_handle(), buffer, ROOM, null_mut(), overlapped) };
        let pending = number(ERROR_IO_PENDING);
        match succeeded(read) {
            Err(error) if error.raw_os_error() != Some(pending) => return Err(error),
            _ => self.is_under_way = true,
        }
        Ok(())
    }

    /// Ends the read if bytes have arrived before this call.
    fn end_if_arrived(&mut self, pipe: &OwnedHandle) -> io::Result<()> {
        match self.end(pipe, false) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                await_earlier_messages();
                self.end(pipe, false)
            }
            ended => ended,
        }
    }

    /// Ends the read if the system shows its end, or waits for that if `waits` is set.
    fn end(&mut self, pipe: &OwnedHandle, waits: bool) -> io::Result<()> {
        let mut length = 0;
        // SAFETY: the structure is that of the read that is under way.
        let ended = succeeded(unsafe {
            GetOverlappedResult(
                pipe.as_raw_handle(),
                self.overlapped.get(),
                &raw mut length,
                waits.into(),
            )
        });
        let is_pending =
            |error: &io::Error| error.raw_os_error() == Some(number(ERROR_IO_INCOMPLETE));
        if ended.as_ref().is_err_and(is_pending) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.is_under_way = false;
        ended?;
        self.arrived = 0..length as usize;
        Ok(())
    }

    fn take(&mut self, pipe: &OwnedHandle, to: &mut [u8]) -> io::Result<usize> {
        // A write of zero bytes ends a read, too.
        while self.arrived.is_empty() {
            self.begin(pipe)?;
            self.end_if_arrived(pipe)?;
        }
        let length = self.arrived.len().min(to.len());
        let from = self.arrived.start;
        to[..length].copy_from_slice(&self.buffer[from..from + length]);
        self.arrived.start += length;
        if self.arrived.is_empty() {
            // Only a pending read rings the bell. If this fails, the next call returns the error.
            let _ = self.begin(pipe);
        }
        Ok(length)
    }
}

impl Read for OutputPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.reading.take(&self.pipe, buffer);
        let has_ended = |error: &io::Error| {
            matches!(
                code_of(error),
                Some(ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF | ERROR_PIPE_NOT_CONNECTED)
            )
        };
        match taken {
            Err(error) if has_ended(&error) => Ok(0),
            taken => taken,
        }
    }
}

impl Drop for OutputPipe {
    fn drop(&mut self) {
        if self.reading.is_under_way {
            // SAFETY: the structure is that of the read that is under way.
            unsafe { CancelIoEx(self.pipe.as_raw_handle(), self.reading.overlapped.get()) };
            // The system may write to the buffer until the read has ended.
            let _ = self.reading.end(&self.pipe, true);
        }
    }
}

/// The write end of a pipe for the input of a service. A write never waits.
#[derive(Debug)]
pub(crate) struct InputPipe(OwnedHandle);

impl InputPipe {
    /// Writes as many bytes as there is room for. Some systems write nothing if not all bytes fit.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let length = u32::try_from(bytes.len()).unwrap_or(ROOM);
        let mut written = 0;
        // SAFETY: the call reads as many bytes as there are, and writes one number.
        succeeded(unsafe {
            WriteFile(
                self.0.as_raw_handle(),
                bytes.as_ptr(),
                length,
                &raw mut written,
                null_mut(),
            )
        })?;
        Ok(written as usize)
    }
}

impl Write for InputPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A system may write nothing if not all bytes fit.
        let mut length = bytes.len().min(ROOM as usize);
        while length > 0 {
            match self.try_write(&bytes[..length])? {
                0 => length /= 2,
                written => return Ok(written),
            }
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Handle> for InputPipe {
    fn from(handle: Handle) -> Self {
        Self(handle)
    }
}

impl From<InputPipe> for Handle {
    fn from(pipe: InputPipe) -> Self {
        pipe.0
    }
}

/// Makes a pipe for an output of a service. Returns the read end, and the service's end.
pub(crate) fn output_pipe() -> io::Result<(OutputPipe, Handle)> {
    let (pipe, theirs) = pipe(PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED, PIPE_WAIT)?;
    ring_at_reads_of(&pipe)?;
    let mut reading = Reading {
        overlapped: Box::default(),
        buffer: vec![0; ROOM as usize],
        is_under_way: false,
        arrived: 0..0,
    };
    // The first read begins at once, as only a pending read rings the bell.
    reading.begin(&pipe)?;
    Ok((OutputPipe { pipe, reading }, theirs))
}

/// Makes a pipe for the input of a service. Returns the write end, and the service's end.
pub(crate) fn input_pipe() -> io::Result<(InputPipe, Handle)> {
    let (ours, theirs) = pipe(PIPE_ACCESS_OUTBOUND, PIPE_NOWAIT)?;
    Ok((InputPipe(ours), theirs))
}

/// Makes a named pipe. Returns our end with these flags, and the other end, whose calls block.
///
/// Only named pipes support overlapped reads.
pub(super) fn pipe(access: u32, mode: u32) -> io::Result<(OwnedHandle, OwnedHandle)> {
    // The name does not use this process's number: a process that has ended may have left a pipe of that name.
    let name = format!(r"\\.\pipe\mirakuru-{}", secret());
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mode = mode | PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS;
    let access_and_flags = access | FILE_FLAG_FIRST_PIPE_INSTANCE;
    // SAFETY: the name ends with 0.
    let raw = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            access_and_flags,
            mode,
            1,
            ROOM,
            ROOM,
            0,
            std::ptr::null(),
        )
    };
    if raw == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle for us alone.
    let ours = unsafe { OwnedHandle::from_raw_handle(raw) };
    let is_read_by_us = access & PIPE_ACCESS_INBOUND != 0;
    let theirs = OpenOptions::new()
        .read(!is_read_by_us)
        .write(is_read_by_us)
        .open(name)?;
    Ok((ours, theirs.into()))
}
