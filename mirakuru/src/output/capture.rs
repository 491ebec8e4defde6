//! The captured file of one stream: the supervisor appends, and this side reads at offsets, so any
//! number of readers need no lock between them.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::link::{Link, State};
use crate::protocol::Stream;
use crate::protocol::capture::{HEAD, Layout};
use crate::sys::{self, Handle};

/// Captured output of one stream of one start.
#[derive(Debug)]
pub(crate) struct Capture {
    file: File,
    pub(super) stream: Stream,
    /// Bounds every wait for more.
    pub(super) timeout: Duration,
    /// Where a fresh handle begins: after the banner.
    pub(super) begin: AtomicU64,
    /// Who tells that there is more. Weak, so that reading keeps nothing alive.
    link: OnceLock<Weak<Link>>,
    /// The number of the service that prints, among those of its supervisor.
    pub(super) service: AtomicU64,
}

impl Capture {
    pub(crate) fn new(stream: Stream, timeout: Duration) -> io::Result<Self> {
        let file = tempfile::tempfile().map_err(nowhere_to_keep_it)?;
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

    /// The capture of a service that another test process started.
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

    /// Before the service is started.
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

    /// Which bytes of it are kept by now.
    pub(super) fn layout(&self) -> Layout {
        Layout { size: self.len() }
    }

    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link.get()?.upgrade()
    }

    /// What is kept from `from` on, at most `most` bytes, and where it begins: further on than
    /// asked where the rest of a flood was given up.
    pub(super) fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let mut from = from;
        loop {
            let mut bytes = vec![0; most];
            let len = sys::read_at(&self.file, &mut bytes, from).unwrap_or(0);
            let read = from..from + len as u64;
            // Looked at after the read: what was given up meanwhile reads as zeros.
            let kept = self.layout().clip(read.clone());
            if kept.start > from && kept.start >= read.end {
                // All of it was given up. The gap may grow before the next read too.
                from = kept.start;
                continue;
            }
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
        // Not from the gap on: that may be gigabytes.
        let begin = layout.gap().end;
        let (from, tail) = self.read(begin, index(layout.size - begin));
        let missing = from - HEAD;
        head.extend_from_slice(Layout::note_of(missing).as_bytes());
        head.extend_from_slice(&tail);
        (head, missing)
    }
}

/// Converts a length that a buffer has, or is to have.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Names the place where it is what is wrong, as `TMPDIR` may be.
fn nowhere_to_keep_it(error: io::Error) -> io::Error {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    let (NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem) = error.kind() else {
        return error;
    };
    let place = tempfile::env::temp_dir();
    let said = format!("{error}, for a file in {}", place.display());
    io::Error::new(error.kind(), said)
}
