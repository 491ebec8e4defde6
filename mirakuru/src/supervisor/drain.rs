//! Copies a service's output from its pipe into the file that the test process reads.
//!
//! The file only grows, so its size is the number of bytes printed. Of a flood, the first mebibyte and the last 64 MiB
//! stay on disk. The part between is given back to the disk, and reads as zeros. The service never waits for a reader.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::protocol::Failure;
use crate::protocol::capture::{HEAD, Layout};
use crate::sys::{self, Handle, OutputPipe, Wakeup};

/// Copies the kept parts of a captured file into a human-readable file. One line replaces the gap, which would be
/// written out as zeros. The kernel copies the data, so no reply waits for long.
pub(super) fn copy_kept(from: &File, mut to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    let gap = Layout { size }.gap();
    sys::append_range(from, 0..gap.start, to)?;
    to.write_all(Layout::note_of(gap.end - gap.start).as_bytes())?;
    sys::append_range(from, gap.end..size, to)
}

/// One captured stream.
pub(super) struct Drain {
    /// The pipe; `None` after every writer has closed it.
    pipe: Option<OutputPipe>,
    file: File,
    written: u64,
    /// The end of the range, starting at [`HEAD`], that was given back to the disk.
    forgotten: u64,
    /// The reason why no more output is kept. The pipe is still read.
    lost: Option<Failure>,
    reported: bool,
    end_reported: bool,
}

impl Drain {
    pub(super) fn new(pipe: OutputPipe, file: Handle) -> Self {
        Self {
            pipe: Some(pipe),
            file: file.into(),
            written: 0,
            forgotten: HEAD,
            lost: None,
            reported: false,
            end_reported: false,
        }
    }

    /// Returns a duplicated handle of the file, for clients that attach later.
    pub(super) fn file(&self) -> Option<Handle> {
        sys::copy_of(&self.file).ok()
    }

    /// Returns a wake-up that becomes ready when the service prints or closes its stream.
    pub(super) fn wakeup(&self) -> Option<Wakeup<'_>> {
        self.pipe.as_ref().map(sys::wakeup_of)
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the reason why output is lost, once.
    pub(super) fn news_of_loss(&mut self) -> Option<Failure> {
        let news = self.lost.clone().filter(|_| !self.reported);
        self.reported |= news.is_some();
        news
    }

    /// Returns `true` once, when no process can write any more.
    pub(super) fn news_of_end(&mut self) -> bool {
        self.pipe.is_none() && !std::mem::replace(&mut self.end_reported, true)
    }

    /// Reads the available output, a bounded amount at once, so that a flood does not starve the other work.
    pub(super) fn take(&mut self, buffer: &mut [u8]) {
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(buffer) {
                Ok(0) => self.pipe = None,
                Ok(len) => self.keep(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.lost.is_none() {
            match sys::write_at(&self.file, bytes, self.written) {
                Ok(len) => {
                    self.written += len as u64;
                    bytes = &bytes[len..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.lost = Some(Failure::at("write captured output", &error)),
            }
        }
        let kept_from = Layout { size: self.written }.gap().end;
        if kept_from > self.forgotten {
            match sys::forget_range(&self.file, self.forgotten..kept_from) {
                Ok(()) => self.forgotten = kept_from,
                Err(error) => {
                    let step = "keep more captured output on this file system";
                    self.lost = Some(Failure::at(step, &error));
                }
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn drain_of(stream: File, kept: File) -> Drain {
        Drain::new(stream, Handle::from(kept))
    }

    #[test]
    fn the_end_of_a_stream_is_news_once() {
        let kept = || tempfile::tempfile().expect("a temporary file");
        // A directory cannot be read, as a broken pipe cannot.
        let broken = File::open("/").expect("a directory");
        for stream in [File::open("/dev/null").expect("the device"), broken] {
            let mut drain = drain_of(stream, kept());
            assert!(!drain.news_of_end() && drain.wakeup().is_some());
            drain.take(&mut [0; 16]);
            assert!(drain.news_of_end() && drain.wakeup().is_none());
            assert!(!drain.news_of_end());
        }
    }

    #[test]
    fn a_lost_output_is_news_once() {
        let stream = File::open("/dev/zero").expect("the device");
        let read_only = File::open("/dev/null").expect("the device");
        let mut drain = drain_of(stream, read_only);
        assert!(drain.news_of_loss().is_none());
        for is_news in [true, false] {
            drain.take(&mut [0; 16]);
            assert_eq!(drain.news_of_loss().is_some(), is_news);
        }
        assert_eq!(drain.written(), 0);
    }
}
