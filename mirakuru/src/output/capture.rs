//! The file that captures one stream.
//!
//! The supervisor appends to the file, and the test process reads at offsets. So any number of readers need no lock
//! between them.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::link::{Link, State};
use crate::protocol::Stream;
use crate::protocol::capture::{HEAD, Layout};
use crate::sys::{self, Handle};

/// The captured output of one stream of one start.
#[derive(Debug)]
pub(crate) struct Capture {
    file: File,
    pub(super) stream: Stream,
    /// The limit for each wait for more output.
    pub(super) timeout: Duration,
    /// The offset at which a new handle begins: after the banner.
    pub(super) begin: AtomicU64,
    /// The supervisor's link, which reports new output. It is weak, so that a reader keeps no supervisor alive.
    link: OnceLock<Weak<Link>>,
    /// The number of the service among those of its supervisor.
    pub(super) service: AtomicU64,
}

impl Capture {
    pub(crate) fn new(stream: Stream, timeout: Duration) -> io::Result<Self> {
        let file = tempfile::tempfile().map_err(with_directory)?;
        Ok(Self::of(file, stream, timeout))
    }

    fn of(file: File, stream: Stream, timeout: Duration) -> Self {
        Self {
            file,
            stream,
            timeout,
            begin: AtomicU64::new(0),
            link: OnceLock::new(),
            service: AtomicU64::new(0),
        }
    }

    /// Creates the capture of a service that another test process started.
    pub(crate) fn of_another(
        stream: Stream,
        timeout: Duration,
        file: Handle,
        begin: u64,
        service: u64,
        link: &Arc<Link>,
    ) -> Self {
        Self {
            begin: AtomicU64::new(begin),
            link: OnceLock::from(Arc::downgrade(link)),
            service: AtomicU64::new(service),
            ..Self::of(file.into(), stream, timeout)
        }
    }

    pub(crate) fn begin(&self) -> u64 {
        self.begin.load(Ordering::Relaxed)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns whether the last line has no end yet.
    pub(crate) fn is_within_a_line(&self) -> bool {
        let (_, last) = self.read(self.len().saturating_sub(1), 1);
        last.first().is_some_and(|byte| *byte != b'\n')
    }

    /// Connects the capture to the supervisor. Must be called before the service is started, as it takes the number of
    /// the next service.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        self.service
            .store(link.current(State::next_service), Ordering::Relaxed);
        let _ = self.link.set(Arc::downgrade(link));
    }

    pub(crate) fn begin_at(&self, offset: u64) {
        self.begin.store(offset, Ordering::Relaxed);
    }

    pub(crate) fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Returns which bytes of the stream are kept now.
    pub(super) fn layout(&self) -> Layout {
        Layout { size: self.len() }
    }

    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link.get()?.upgrade()
    }

    /// Returns at most `most` of the kept bytes from offset `from` on, and the offset at which they begin. That offset
    /// is greater than `from` if the bytes at `from` were discarded from a flood.
    pub(super) fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let mut from = from;
        loop {
            let mut bytes = vec![0; most];
            let len = sys::read_at(&self.file, &mut bytes, from).unwrap_or(0);
            let read = from..from + len as u64;
            // The layout must be taken after the read: bytes that are discarded during the read are read as zeros.
            let kept = self.layout().clip(read.clone());
            if kept.start > from && kept.start >= read.end {
                // All bytes of this read were discarded. The gap may grow again before the next read.
                from = kept.start;
                continue;
            }
            // If a flood outran the read, only the last bytes are kept. A further read would not be faster.
            bytes.truncate(index(kept.end - from));
            bytes.drain(..index(kept.start - from));
            return (kept.start, bytes);
        }
    }

    pub(super) fn read_all(&self) -> (Vec<u8>, u64) {
        let layout = self.layout();
        let (_, mut head) = self.read(0, index(layout.size.min(HEAD)));
        if layout.size <= HEAD {
            return (head, 0);
        }
        // Reads after the gap, as the gap may have gigabytes.
        let begin = layout.gap().end;
        let (from, tail) = self.read(begin, index(layout.size - begin));
        let missing = from - HEAD;
        head.extend_from_slice(Layout::note_of(missing).as_bytes());
        head.extend_from_slice(&tail);
        (head, missing)
    }
}

/// Converts the length of a buffer.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Adds the directory for temporary files to an error that it may have caused, as a wrong `TMPDIR` does.
fn with_directory(error: io::Error) -> io::Error {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    let (NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem) = error.kind() else {
        return error;
    };
    let place = tempfile::env::temp_dir();
    let text = format!("{error}, for a file in {}", place.display());
    io::Error::new(error.kind(), text)
}
