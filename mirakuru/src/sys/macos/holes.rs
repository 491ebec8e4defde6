//! Returns ranges of a file to the disk: `F_PUNCHHOLE` of `fcntl(2)`.
#![expect(unsafe_code, reason = "nix lacks the call")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{self, fpunchhole_t};

use crate::sys::xnu::holes::forget;

/// Returns a range of a file to the disk. The range then reads as zeros.
///
/// # Errors
///
/// `EFBIG`, if the file system cannot punch holes. Only APFS can. To the caller the file is too large.
pub(crate) fn forget_range(file: &File, range: Range<u64>) -> io::Result<()> {
    forget(file, &range, |hole| punch(file, &hole)).map_err(|_| Errno::EFBIG.into())
}

fn punch(file: &File, hole: &Range<u64>) -> io::Result<()> {
    let number = |from: u64| from.try_into().map_err(|_| io::Error::from(Errno::EFBIG));
    let hole = fpunchhole_t {
        fp_flags: 0,
        reserved: 0,
        fp_offset: number(hole.start)?,
        fp_length: number(hole.end - hole.start)?,
    };
    // SAFETY: the call reads the structure, which outlives it.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const hole) };
    Ok(Errno::result(result).map(drop)?)
}
